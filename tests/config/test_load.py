"""Each mistake in the file is told with its key and with what is allowed there."""

from pathlib import Path

import msgspec
import pytest

from understudy.config.file import ALLOWED, File, Table
from understudy.config.load import load, parse
from understudy.engine import NetworkRule, ReplicationPolicy, Window
from understudy.errors import InvalidRequest, NotFound

LEAST = '[vault]\nurl = "file:///srv/vault"\nkey-file = "/etc/understudy/vault.key"\n'


def test_a_small_file_has_defaults_for_the_rest() -> None:
    config = parse(LEAST)
    assert (config.state_dir, config.api.socket, config.api.admins) == ("/var/lib/understudy", "/run/understudy/api.sock", ("root",))
    assert config.policy == ReplicationPolicy()
    assert config.api.tcp is None


def test_values_are_what_they_say() -> None:
    config = parse(
        'site = "host-a"\n' + LEAST + '[limits]\ncycles = 2\nrate = "10MiB/s"\nmemory = "1GiB"\n'
        '[policy]\ninterval = "5s"\nwarning-rpo = 20\nverify-every = "0"\n'
        '[[policy.windows]]\nbegin = "22:00"\nend = "06:00"\nrate = "1MB"\ndays = ["mon"]\n'
        '[maintenance]\nevery = "30m"\njobs-for = "7d"\n[log]\nformat = "json"\n'
    )
    assert (config.site, config.limits.cycles, config.limits.rate, config.limits.memory) == ("host-a", 2, 10 << 20, 1 << 30)
    assert (config.policy.interval, config.policy.warning_rpo, config.policy.verify_every) == (5.0, 20.0, 0.0)
    assert config.policy.windows == (Window(begin="22:00", end="06:00", rate=1_000_000, days=("mon",)),)
    rules = '[[networks]]\nsource = "br0"\nsite = "a"\ntarget = "bridge:br1"\ntest = "tap:t0@lab"\n'
    rules += '[[networks]]\nsource = "*"\ntarget = "none"\n'
    assert parse(LEAST + rules).networks == (
        NetworkRule(source="br0", site="a", target="bridge:br1", test="tap:t0@lab"),
        NetworkRule(source="*", target="none"),
    )
    assert (config.maintenance.every, config.maintenance.jobs_for, config.log.format) == (1800.0, 7 * 86400.0, "json")


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ("", "vault", ""),
        ("[vault]\n", "vault.url", "file:///"),
        ('[vault]\nurl = "file:///v"\n', "vault", "credential"),
        (LEAST + 'credential = "k"\n', "vault", "credential"),
        ('sit = "a"\n' + LEAST, "sit", "did you mean site?"),
        (LEAST + "[limit]\ncycles = 1\n", "limit", "did you mean limits?"),
        (LEAST + "[limits]\ncycle = 1\n", "limits.cycle", "did you mean cycles?"),
        (LEAST + '[limits]\ncycles = "4"\n', "limits.cycles", "from 1 to 64"),
        (LEAST + "[limits]\ncycles = 0\n", "limits.cycles", "from 1 to 64"),
        (LEAST + '[limits]\nrate = "fast"\n', "limits.rate", "20MiB"),
        (LEAST + '[limits]\nmemory = "1MiB"\n', "limits.memory", "128MiB"),
        (LEAST + '[policy]\ninterval = "often"\n', "policy.interval", "30s"),
        (LEAST + '[policy]\ninterval = "10ms"\n', "policy.interval", "at least 1s"),
        (LEAST + '[policy]\nimmutable = "5s"\n', "policy.immutable", "from 1d"),
        (LEAST + '[policy]\nwarning-rpo = "5m"\ncritical-rpo = "4m"\n', "policy", "not less"),
        (LEAST + '[[policy.windows]]\nbegin = "24:01"\nend = "06:00"\nrate = "0"\n', "policy.windows[].begin", "22:00"),
        (LEAST + '[[policy.windows]]\nbegin = "22:00"\nrate = "0"\n', "policy.windows[].end", "06:00"),
        (LEAST + '[[policy.windows]]\nbeginn = "22:00"\n', "policy.windows.beginn", "did you mean begin?"),
        (LEAST + '[[policy.windows]]\nbegin = "1:00"\nend = "2:00"\nrate = 0\ndays = ["monday"]\n', "policy.windows[].days", "mon"),
        (LEAST + '[api]\nsocket = "api.sock"\n', "api.socket", "absolute"),
        (LEAST + '[api]\nadmins = ["@"]\n', "api.admins", "@libvirt"),
        (LEAST + '[api.tcp]\nlisten = "127.0.0.1:8443"\n', "api.tcp.certificate", "PEM"),
        (LEAST + '[log]\nlevel = "loud"\n', "log.level", "debug"),
        (LEAST + '[peers]\nlisten = "8444"\n', "peers.listen", "0.0.0.0:8444"),
        (LEAST + '[peers]\nlisten = "0.0.0.0:8444"\n', "peers.address", "vault.example.net:8444"),
        (LEAST + '[peers]\nlisten = "10.0.0.1:0"\n', "peers.address", "vault.example.net:8444"),
        (LEAST + '[peers]\nlisten = "[::1]:8444"\naddress = "host"\n', "peers.address", "vault.example.net:8444"),
        (LEAST + '[peers]\nlisten = "[::1]:8444"\nmemory = "128MiB"\n', "peers.memory", "192MiB"),
        (LEAST + '[networks]\nsource = "br0"\n', "networks", "tables of source"),
        (LEAST + '[[networks]]\ntarget = "none"\n', "networks[].source", "such as br0"),
        (LEAST + '[[networks]]\nsource = ""\ntarget = "none"\n', "networks[].source", "such as br0"),
        (LEAST + '[[networks]]\nsource = "br0"\n', "networks[].target", "bridge:NAME"),
        (LEAST + '[[networks]]\nsource = "br0"\ntarget = "br1"\n', "networks[].target", "bridge:NAME"),
        (LEAST + '[[networks]]\nsource = "br0"\ntest = "tap:"\n', "networks[].test", "tap:INTERFACE"),
        (LEAST + '[[networks]]\nsource = "br0"\ntarget = "none"\nsite = "a b"\n', "networks[].site", "every site"),
        (LEAST + 2 * '[[networks]]\nsource = "br0"\ntarget = "none"\n', "networks[].source", "such as br0"),
        (LEAST + '[[networks]]\nsource = "br0"\ntraget = "none"\n', "networks.traget", "did you mean target?"),
    ],
)
def test_a_mistake_names_its_key_and_what_is_allowed(text: str, key: str, hint: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(text)
    assert caught.value.message.startswith(f"{key}"), caught.value.message
    assert hint in caught.value.hint


def test_every_table_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse('[vault]\nurl = 7\n[limit]\n[log]\nlevl = "info"\n[policy]\ninterval = "often"\n[failover]\nfence = ["fence"]\n')
    assert caught.value.message.startswith("5 mistakes: ")
    for key in ("limit: ", "log.levl: ", "vault.url: ", "policy.interval: ", "failover.fence: "):
        assert key in caught.value.message


def test_every_mistake_of_a_policy_is_named_at_once() -> None:
    """Those of kind, of value, and of several values together."""
    policy = (
        '[policy]\napp-every = "often"\nrate = "fast"\nverify-every = "1x"\nimmutable = "1h"\nwarning-rpo = "5m"\ncritical-rpo = "4m"\n'
        'drill-every = true\nsecnd = "x"\ndrill-times = {begin = "25:00", end = "5:00"}\n'
        '[[policy.windows]]\nbegin = "24:00"\nend = "6:00"\nrate = "x"\n'
    )
    with pytest.raises(InvalidRequest) as caught:
        parse(LEAST + policy)
    keys = ["app-every", "rate", "verify-every", "immutable", "critical-rpo"]
    keys += ["drill-every", "secnd", "drill-times.begin", "windows[].rate"]
    assert [key for key in keys if f"policy.{key}: " not in caught.value.message] == []
    assert caught.value.message.startswith(f"{len(keys)} mistakes: ")


def test_a_mistake_in_one_value_accuses_no_other() -> None:
    """Without its interval, this would be an RPO that cannot be held."""
    with pytest.raises(InvalidRequest) as caught:
        parse(LEAST + '[policy]\ninterval = "5x"\nwarning-rpo = "20s"\n')
    assert caught.value.message.startswith("policy.interval: ")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (LEAST.replace("file:///srv/vault", "foo"), "vault.url"),
        (LEAST + '[policy]\nsecond = "foo"\n', "policy.second"),
        (LEAST + '[peers]\nlisten = "10.0.0.1:8444"\nurl = "foo"\n', "peers.url"),
    ],
)
def test_what_is_no_address_is_named_by_its_key(text: str, key: str) -> None:
    def checked(address: str) -> None:
        if address == "foo":
            raise InvalidRequest("'foo' is no address", hint="write one")

    with pytest.raises(InvalidRequest) as caught:
        parse(text, checked)
    assert (caught.value.message, caught.value.hint) == (f"{key}: 'foo' is no address", "write one")
    parse(text.replace("foo", "file:///srv/other"), checked)


def test_what_is_no_toml_is_said_with_its_place() -> None:
    with pytest.raises(InvalidRequest, match="not TOML"):
        parse("site = ")


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no\.toml"):
        load(tmp_path / "no.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidRequest, match=r"bytes\.toml"):
        load(tmp_path / "bytes.toml")


def test_what_is_allowed_is_said_for_every_key() -> None:
    def keys(table: type[Table], above: str) -> set[str]:
        found: set[str] = set()
        for field in msgspec.structs.fields(table):
            key = above + field.encode_name
            tables = [
                part for part in (field.type, *getattr(field.type, "__args__", ())) if isinstance(part, type) and issubclass(part, Table)
            ]
            found |= {key} if not tables else set()
            for part in tables:
                repeated = part is not field.type and "tuple" in str(field.type)
                found |= keys(part, f"{key}[]." if repeated else f"{key}.") | ({key} if repeated else set())
        return found

    assert keys(File, "") == ALLOWED.keys()
