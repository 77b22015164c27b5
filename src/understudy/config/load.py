"""Reading the configuration file. Every error names the key and what is allowed there."""

import difflib
import re
import socket
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, get_args

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
    PolicyTable,
    Table,
    TcpTable,
    TimesTable,
    VaultTable,
)
from understudy.config.mistakes import Mistakes
from understudy.config.values import ApiConfig, Config, Failover, Limits, Log, Maintenance, Peers, TcpConfig, VaultConfig
from understudy.engine import NetworkRule, ReplicationPolicy, Times, Window, checked_name, place_of
from understudy.engine.policy import checked_policy
from understudy.engine.units import bytes_of, minute_of, seconds_of
from understudy.errors import InvalidRequest, NotFound

T = TypeVar("T")

_LEAST_MEMORY = 128 << 20
_MOST_CYCLES = 64
_LEAST_PEERS_MEMORY = 192 << 20
_ANYWHERE = ("0.0.0.0", "::")


def load(path: Path) -> Config:
    """`NotFound` without a file, `InvalidRequest` where it says what cannot be meant: with one mistake at least of each table."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no configuration file {path}", hint="systemd/understudy.toml in the sources is an example") from None
    except OSError as error:
        raise InvalidRequest(f"the configuration file {path} cannot be read: {error.strerror}") from None
    try:
        return parse(data.decode())
    except UnicodeDecodeError:
        raise InvalidRequest(f"{path}: this is not UTF-8 text") from None
    except InvalidRequest as error:
        raise InvalidRequest(f"{path}: {error.message}", hint=error.hint) from None


def parse(text: str) -> Config:
    """As `load`, of the file's text."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidRequest(f"this is not TOML: {error}", hint="strings stand in quotes; tables begin with [name]") from None
    mistakes, values = Mistakes(), dict[str, Any]()
    strangers = list(_unknown(raw, File, ""))
    mistakes.found += [_stranger(key, known) for key, known in strangers]
    tables = {key.partition(".")[0] for key, _ in strangers}
    for field in msgspec.structs.fields(File):
        if field.encode_name not in tables:
            with mistakes.noted():
                values[field.name] = _READ[field.name](_converted(raw, field))
    mistakes.tell()
    return Config(**values)


def _stranger(key: str, known: list[str]) -> InvalidRequest:
    here, _, last = key.rpartition(".")
    near = difflib.get_close_matches(last, known, 1, 0.5)
    meant = f"did you mean {near[0]}? " if near else ""
    return InvalidRequest(f"{key}: there is no such key", hint=f"{meant}{here or 'the file'} takes {', '.join(known)}")


def _converted(raw: dict[str, Any], field: msgspec.structs.FieldInfo) -> Any:
    """What the file says under one of its own keys, or what holds without."""
    key = field.encode_name
    if key not in raw:
        if field.required:
            raise InvalidRequest(f"{key}: is missing", hint=_hint(key))
        return field.default
    try:
        return msgspec.convert(raw[key], field.type)
    except msgspec.ValidationError as error:
        raise _explained(error, key) from None


def _unknown(raw: dict[str, Any], table: type[Table], above: str) -> Iterator[tuple[str, list[str]]]:
    """Keys that no table knows, by their whole names, with those that it knows."""
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(table)}
    for key, value in raw.items():
        if key not in fields:
            yield above + key, list(fields)
            continue
        kinds = [type_ for type_ in (fields[key], *get_args(fields[key])) if isinstance(type_, type)]
        below = next((type_ for type_ in kinds if issubclass(type_, Table)), None)
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
    return InvalidRequest(f"{key}: {words.replace('`', '')}", hint=_hint(plain))


def _hint(key: str) -> str:
    allowed = ALLOWED.get(key)
    return f"allowed: {allowed}" if allowed else ""


def _of(key: str, read: Callable[[], T]) -> T:
    """`read`, whose complaint then names the key."""
    try:
        return read()
    except InvalidRequest as error:
        raise InvalidRequest(f"{key}: {error.message}", hint=_hint(key) or error.hint) from None


def _refuse(key: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"{key}: {why}", hint=_hint(key))


def _site(name: str) -> str:
    return _of("site", lambda: checked_name("site", name or socket.gethostname()))


def _limits(table: LimitsTable) -> Limits:
    if not 1 <= table.cycles <= _MOST_CYCLES:
        raise _refuse("limits.cycles", f"{table.cycles} cycles at once make no sense")
    memory = _bytes("limits.memory", table.memory)
    if memory < _LEAST_MEMORY:
        raise _refuse("limits.memory", f"{table.memory} is not enough for one cycle")
    rates = _bytes("limits.rate", table.rate), _bytes("limits.second-rate", table.second_rate)
    return Limits(cycles=table.cycles, rate=rates[0], second_rate=rates[1], memory=memory)


def _maintenance(table: MaintenanceTable) -> Maintenance:
    return Maintenance(
        every=_seconds("maintenance.every", table.every),
        grace=_seconds("maintenance.grace", table.grace, zero=True),
        jobs_for=_seconds("maintenance.jobs-for", table.jobs_for),
        events_for=_seconds("maintenance.events-for", table.events_for),
    )


def _log(table: LogTable) -> Log:
    return Log(level=table.level, format=table.format)


def _failover(table: FailoverTable) -> Failover:
    if table.fence:
        _absolute("failover.fence", table.fence[0])
    for directory in table.files_from:
        _absolute("failover.files-from", directory)
    return Failover(fence=table.fence, files_from=table.files_from)


def _vault(table: VaultTable) -> VaultConfig:
    if not table.url:
        raise _refuse("vault.url", "no vault is named")
    if bool(table.key_file) == bool(table.credential):
        raise InvalidRequest("vault: either key-file or credential must be given", hint=_hint("vault.credential"))
    if "/" in table.credential:
        raise _refuse("vault.credential", "this is a path")
    key_file = _absolute("vault.key-file", table.key_file) if table.key_file else ""
    return VaultConfig(url=table.url, key_file=key_file, credential=table.credential)


def _api(table: ApiTable) -> ApiConfig:
    for key, people in (("admins", table.admins), ("operators", table.operators), ("viewers", table.viewers)):
        for one in people:
            if not one.removeprefix("@"):
                raise _refuse(f"api.{key}", "an empty name")
    return ApiConfig(
        socket=_absolute("api.socket", table.socket),
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
        certificate=_absolute("api.tcp.certificate", table.certificate),
        private_key=_absolute("api.tcp.private-key", table.private_key),
        tokens=_absolute("api.tcp.tokens", table.tokens),
    )


def _peers(table: PeersTable | None) -> Peers | None:
    if table is None:
        return None
    host, port = _host_and_port("peers.listen", table.listen)
    if not table.address and (host in _ANYWHERE or not port):
        raise _refuse("peers.address", f"nobody can reach this site at {table.listen}")
    address = table.address or table.listen
    _, reached = _host_and_port("peers.address", address)
    if not reached:
        raise _refuse("peers.address", f"{address!r} is no address and port")
    memory = _bytes("peers.memory", table.memory)
    if memory < _LEAST_PEERS_MEMORY:
        raise _refuse("peers.memory", f"{table.memory} is not enough for the objects of one peer")
    return Peers(host=host, port=port, address=address, url=table.url, memory=memory)


def _host_and_port(key: str, text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 <= int(port) < 1 << 16:
        raise _refuse(key, f"{text!r} is no address and port")
    return host.strip("[]"), int(port)


def _policy(table: PolicyTable) -> ReplicationPolicy:
    windows = []
    for window in table.windows:
        for key, text in (("begin", window.begin), ("end", window.end)):
            _of(f"policy.windows[].{key}", lambda text=text: minute_of(text))  # type: ignore[misc]
        windows.append(Window(begin=window.begin, end=window.end, rate=_bytes("policy.windows[].rate", window.rate), days=window.days))
    policy = ReplicationPolicy(
        interval=_seconds("policy.interval", table.interval),
        warning_rpo=_seconds("policy.warning-rpo", table.warning_rpo, zero=True),
        critical_rpo=_seconds("policy.critical-rpo", table.critical_rpo, zero=True),
        app_every=table.app_every,
        rate=_bytes("policy.rate", table.rate),
        verify_every=_seconds("policy.verify-every", table.verify_every, zero=True),
        drill_every=_seconds("policy.drill-every", table.drill_every, zero=True),
        drill_times=_times(table.drill_times) if table.drill_times else None,
        drill_warning=_seconds("policy.drill-warning", table.drill_warning, zero=True),
        second=table.second,
        immutable=_seconds("policy.immutable", table.immutable, zero=True),
        windows=tuple(windows),
    )
    return _of("policy", lambda: checked_policy(policy))


def _times(table: TimesTable) -> Times:
    for key, text in (("begin", table.begin), ("end", table.end)):
        _of(f"policy.drill-times.{key}", lambda text=text: minute_of(text))  # type: ignore[misc]
    return Times(begin=table.begin, end=table.end, days=table.days)


def _networks(tables: tuple[NetworkTable, ...]) -> tuple[NetworkRule, ...]:
    rules: list[NetworkRule] = []
    for table in tables:
        if not table.source:
            raise _refuse("networks[].source", "no network is named")
        if table.site:
            _of("networks[].site", lambda site=table.site: checked_name("site", site))  # type: ignore[misc]
        for key, place in (("target", table.target), ("test", table.test)):
            if place:
                _of(f"networks[].{key}", lambda place=place: place_of(place))  # type: ignore[misc]
        if not (table.target or table.test):
            raise _refuse("networks[].target", f"nothing is said of {table.source!r}: neither target nor test")
        if any((rule.source, rule.site) == (table.source, table.site) for rule in rules):
            raise _refuse("networks[].source", f"{table.source!r} at {table.site or 'any site'} is named twice")
        rules.append(NetworkRule(source=table.source, target=table.target, test=table.test, site=table.site))
    return tuple(rules)


def _seconds(key: str, value: str | float, *, zero: bool = False) -> float:
    return _of(key, lambda: seconds_of(str(value), zero=zero))


def _bytes(key: str, value: str | int) -> int:
    return _of(key, lambda: bytes_of(str(value)))


def _absolute(key: str, path: str) -> str:
    if not path.startswith("/") or "\0" in path:
        raise _refuse(key, f"{path!r} is no absolute path")
    return path


_READ: dict[str, Callable[[Any], Any]] = {
    "site": _site,
    "state_dir": lambda path: _absolute("state-dir", path),
    "vault": _vault,
    "api": _api,
    "limits": _limits,
    "policy": _policy,
    "networks": _networks,
    "maintenance": _maintenance,
    "failover": _failover,
    "peers": _peers,
    "log": _log,
}
"""What each key of the file comes to, by its name in `File` and in `Config`."""
