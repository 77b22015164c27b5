"""Reading the configuration file. Every error names the key and what is allowed there."""

import difflib
import re
import socket
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec

from understudy.config.file import (
    ALLOWED,
    ApiTable,
    FailoverTable,
    File,
    LimitsTable,
    LogTable,
    MaintenanceTable,
    NetworkTable,
    PeersTable,
    Table,
    TcpTable,
    VaultTable,
)
from understudy.config.mistakes import Mistakes, Several
from understudy.config.policy import policy_of
from understudy.config.reading import absolute, hint_of, number_of_bytes, of, refused, seconds
from understudy.config.values import ApiConfig, Config, Failover, Limits, Log, Maintenance, Peers, TcpConfig, VaultConfig
from understudy.engine import NetworkRule, checked_name, place_of
from understudy.errors import InvalidRequest, NotFound

_LEAST_MEMORY = 128 << 20
_MOST_CYCLES = 64
_LEAST_PEERS_MEMORY = 192 << 20
_ANYWHERE = ("0.0.0.0", "::")


def _anything(_: str) -> None:
    """Who only looks for something else in the file leaves addresses to who opens them."""


def load(path: Path, checked_address: Callable[[str], object] = _anything) -> Config:
    """`NotFound` without a file, `InvalidRequest` where it says what cannot be meant: with one mistake at least of each key.
    `checked_address`: raises `InvalidRequest` for what is no store's address."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        hint = "another is named by --config FILE or UNDERSTUDY_CONFIG; systemd/understudy.toml in the sources is an example"
        raise NotFound(f"there is no configuration file {path}", hint=hint) from None
    except OSError as error:
        raise InvalidRequest(f"the configuration file {path} cannot be read: {error.strerror}") from None
    try:
        return parse(data.decode(), checked_address)
    except UnicodeDecodeError:
        raise InvalidRequest(f"{path}: this is not UTF-8 text") from None
    except InvalidRequest as error:
        raise InvalidRequest(f"{path}: {error.message}", hint=error.hint) from None


def parse(text: str, checked_address: Callable[[str], object] = _anything) -> Config:
    """As `load`, of the file's text."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidRequest(f"this is not TOML: {error}", hint="strings stand in quotes; tables begin with [name]") from None
    mistakes, values = Mistakes(), dict[str, Any]()
    strangers = list(_unknown(raw, File, ""))
    mistakes.found += [_stranger(key, known) for key, known in strangers]
    told = {".".join(key.split(".")[:2]) for key, _ in strangers}
    for field in msgspec.structs.fields(File):
        with mistakes.noted():
            values[field.name] = _READ[field.name](_converted(raw, field, told, mistakes))
    for key, address in _addresses(raw):
        with mistakes.noted():
            _checked(key, address, checked_address)
    mistakes.tell()
    return Config(**values)


def _addresses(raw: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Those of stores, by their keys, whatever else is wrong."""
    for table, part in (("vault", "url"), ("policy", "second"), ("peers", "url")):
        address = raw[table].get(part) if isinstance(raw.get(table), dict) else None
        if isinstance(address, str) and address:
            yield f"{table}.{part}", address


def _checked(key: str, address: str, checked_address: Callable[[str], object]) -> None:
    try:
        checked_address(address)
    except InvalidRequest as error:
        raise InvalidRequest(f"{key}: {error.message}", hint=error.hint) from None


def _stranger(key: str, known: list[str]) -> InvalidRequest:
    here, _, last = key.rpartition(".")
    near = difflib.get_close_matches(last, known, 1, 0.5)
    meant = f"did you mean {near[0]}? " if near else ""
    return InvalidRequest(f"{key}: there is no such key", hint=f"{meant}{here or 'the file'} takes {', '.join(known)}")


def _converted(raw: dict[str, Any], field: msgspec.structs.FieldInfo, told: set[str], mistakes: Mistakes) -> Any:
    """What the file says under one of its own keys, or what holds without. `told`: keys of a table that are complained of already.

    What of a table cannot be is noted, and left out: the rest is looked at, too.
    """
    key = field.encode_name
    if key not in raw:
        if field.required:
            raise InvalidRequest(f"{key}: is missing", hint=hint_of(key))
        return field.default
    value, table, known = raw[key], _table_of(field.type), len(mistakes.found)
    if table is not None and isinstance(value, dict):
        value = {part: one for part, one in value.items() if _is_right(f"{key}.{part}", part, one, table, told, mistakes)}
    try:
        return msgspec.convert(value, field.type)
    except msgspec.ValidationError as error:
        if len(mistakes.found) > known or any(one.startswith(f"{key}.") for one in told):
            raise Several([]) from None  # it is what was told already that is missing, or too much
        raise _explained(error, key) from None


def _is_right(key: str, part: str, value: Any, table: type[Table], told: set[str], mistakes: Mistakes) -> bool:
    type_ = next((field.type for field in msgspec.structs.fields(table) if field.encode_name == part), None)
    if type_ is None or key in told:
        return False
    try:
        msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        mistakes.found.append(_explained(error, key))
        return False
    return True


def _table_of(type_: Any) -> type[Table] | None:
    """The table that a key of this type, or each of its items, is."""
    kinds = [kind for kind in (type_, *get_args(type_)) if isinstance(kind, type)]
    return next((kind for kind in kinds if issubclass(kind, Table)), None)


def _unknown(raw: dict[str, Any], table: type[Table], above: str) -> Iterator[tuple[str, list[str]]]:
    """Keys that no table knows, by their whole names, with those that it knows."""
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(table)}
    for key, value in raw.items():
        if key not in fields:
            yield above + key, list(fields)
            continue
        below = _table_of(fields[key])
        if below is not None:
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict):
                    yield from _unknown(one, below, f"{above}{key}.")


def _explained(error: msgspec.ValidationError, above: str) -> InvalidRequest:
    """msgspec says `Expected `int`, got `str` - at `$.cycles``; missing fields are named in the words before. `above`: the table's key."""
    words, _, place = str(error).partition(" - at ")
    key = above + re.sub(r"\[\d+\]|\[\.\.\.\]", "[]", place.strip("`").removeprefix("$"))
    missing = re.fullmatch(r"Object missing required field `(.+)`", words)
    if missing:
        key = f"{key}.{missing[1]}"
        words = "is missing"
    plain = key if key in ALLOWED else key.removesuffix("[]")
    return InvalidRequest(f"{key}: {words.replace('`', '')}", hint=hint_of(plain))


def _site(name: str) -> str:
    return of("site", lambda: checked_name("site", name or socket.gethostname()))


def _limits(table: LimitsTable) -> Limits:
    if not 1 <= table.cycles <= _MOST_CYCLES:
        raise refused("limits.cycles", f"{table.cycles} cycles at once make no sense")
    memory = number_of_bytes("limits.memory", table.memory)
    if memory < _LEAST_MEMORY:
        raise refused("limits.memory", f"{table.memory} is not enough for one cycle")
    rates = number_of_bytes("limits.rate", table.rate), number_of_bytes("limits.second-rate", table.second_rate)
    return Limits(cycles=table.cycles, rate=rates[0], second_rate=rates[1], memory=memory)


def _maintenance(table: MaintenanceTable) -> Maintenance:
    return Maintenance(
        every=seconds("maintenance.every", table.every),
        grace=seconds("maintenance.grace", table.grace, zero=True),
        jobs_for=seconds("maintenance.jobs-for", table.jobs_for),
        events_for=seconds("maintenance.events-for", table.events_for),
    )


def _log(table: LogTable) -> Log:
    return Log(level=table.level, format=table.format)


def _failover(table: FailoverTable) -> Failover:
    if table.fence:
        absolute("failover.fence", table.fence[0])
    for directory in table.files_from:
        absolute("failover.files-from", directory)
    return Failover(fence=table.fence, files_from=table.files_from)


def _vault(table: VaultTable) -> VaultConfig:
    if not table.url:
        raise refused("vault.url", "no vault is named")
    if bool(table.key_file) == bool(table.credential):
        raise InvalidRequest("vault: either key-file or credential must be given", hint=hint_of("vault.credential"))
    if "/" in table.credential:
        raise refused("vault.credential", "this is a path")
    key_file = absolute("vault.key-file", table.key_file) if table.key_file else ""
    return VaultConfig(url=table.url, key_file=key_file, credential=table.credential)


def _api(table: ApiTable) -> ApiConfig:
    for key, people in (("admins", table.admins), ("operators", table.operators), ("viewers", table.viewers)):
        for one in people:
            if not one.removeprefix("@"):
                raise refused(f"api.{key}", "an empty name")
    return ApiConfig(
        socket=absolute("api.socket", table.socket),
        admins=table.admins,
        operators=table.operators,
        viewers=table.viewers,
        tcp=_tcp(table.tcp) if table.tcp else None,
    )


def _tcp(table: TcpTable) -> TcpConfig:
    host, port = _host_and_port("api.tcp.listen", table.listen)
    return TcpConfig(
        host=host,
        port=port,
        certificate=absolute("api.tcp.certificate", table.certificate),
        private_key=absolute("api.tcp.private-key", table.private_key),
        tokens=absolute("api.tcp.tokens", table.tokens),
    )


def _peers(table: PeersTable | None) -> Peers | None:
    if table is None:
        return None
    host, port = _host_and_port("peers.listen", table.listen)
    if not table.address and (host in _ANYWHERE or not port):
        raise refused("peers.address", f"nobody can reach this site at {table.listen}")
    address = table.address or table.listen
    _, reached = _host_and_port("peers.address", address)
    if not reached:
        raise refused("peers.address", f"{address!r} is no address and port")
    memory = number_of_bytes("peers.memory", table.memory)
    if memory < _LEAST_PEERS_MEMORY:
        raise refused("peers.memory", f"{table.memory} is not enough for the objects of one peer")
    return Peers(host=host, port=port, address=address, url=table.url, memory=memory)


def _host_and_port(key: str, text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 <= int(port) < 1 << 16:
        raise refused(key, f"{text!r} is no address and port")
    return host.strip("[]"), int(port)


def _networks(tables: tuple[NetworkTable, ...]) -> tuple[NetworkRule, ...]:
    rules: list[NetworkRule] = []
    for table in tables:
        if not table.source:
            raise refused("networks[].source", "no network is named")
        if table.site:
            of("networks[].site", lambda site=table.site: checked_name("site", site))  # type: ignore[misc]
        for key, place in (("target", table.target), ("test", table.test)):
            if place:
                of(f"networks[].{key}", lambda place=place: place_of(place))  # type: ignore[misc]
        if not (table.target or table.test):
            raise refused("networks[].target", f"nothing is said of {table.source!r}: neither target nor test")
        if any((rule.source, rule.site) == (table.source, table.site) for rule in rules):
            raise refused("networks[].source", f"{table.source!r} at {table.site or 'any site'} is named twice")
        rules.append(NetworkRule(source=table.source, target=table.target, test=table.test, site=table.site))
    return tuple(rules)


_READ: dict[str, Callable[[Any], Any]] = {
    "site": _site,
    "state_dir": lambda path: absolute("state-dir", path),
    "vault": _vault,
    "api": _api,
    "limits": _limits,
    "policy": policy_of,
    "networks": _networks,
    "maintenance": _maintenance,
    "failover": _failover,
    "peers": _peers,
    "log": _log,
}
"""What each key of the file comes to, by its name in `File` and in `Config`."""
