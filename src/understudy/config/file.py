"""The file's tables as TOML has them. Every key has a line in ALLOWED, which errors show."""

from typing import Literal

import msgspec

from understudy.engine import PLACES, Day

_SPAN = "a duration such as 500ms, 30s, 5m, 1h30m or 1d"
_RATE = 'bytes a second such as "20MiB"; "0" is unlimited'
_NETWORK = f"{PLACES}; none: isolated"
_PEOPLE = 'users, or groups with an @: ["root", "@libvirt"]'

ALLOWED = {
    "site": "this host's name among the sites: letters, digits, dots, dashes",
    "state-dir": "an absolute path, such as /var/lib/understudy",
    "vault.url": "where the vault is, such as file:///srv/vault",
    "vault.key-file": "an absolute path; give it or `credential`",
    "vault.credential": "the name of a systemd credential that holds the key file (LoadCredential=); give it or `key-file`",
    "api.socket": "an absolute path, such as /run/understudy/api.sock",
    "api.admins": _PEOPLE,
    "api.operators": _PEOPLE,
    "api.viewers": _PEOPLE,
    "api.tcp.listen": "an address and port, such as 127.0.0.1:8443",
    "api.tcp.certificate": "a file with the certificate chain (PEM)",
    "api.tcp.private-key": "a file with the certificate's key (PEM)",
    "api.tcp.tokens": "a file with a line `name role sha256-of-the-token` for each token",
    "limits.cycles": "how many cycles may run at once, from 1 to 64; beside as many that take longer than 20 s",
    "limits.rate": _RATE,
    "limits.second-rate": f"{_RATE}, of all copies to second vaults together",
    "limits.memory": 'for blocks under way in all cycles, at least "128MiB"',
    "policy.interval": f"{_SPAN}, at least 1s",
    "policy.warning-rpo": f"{_SPAN}; 0: derived from the interval",
    "policy.critical-rpo": f"{_SPAN}, not less than warning-rpo; 0: derived from the interval",
    "policy.app-every": "each so-many-th point is app-consistent; 0: none",
    "policy.rate": _RATE,
    "policy.verify-every": f"{_SPAN}; 0: never",
    "policy.drill-every": f"{_SPAN}; 0: no test failover by itself",
    "policy.drill-times.days": "of mon, tue, wed, thu, fri, sat, sun; none: every day",
    "policy.drill-times.begin": "a local time of day, such as 02:00",
    "policy.drill-times.end": "a local time of day, such as 05:00; before `begin`: on the next day",
    "policy.drill-warning": f"{_SPAN}: age of the last test from which on it is a warning; 0: never",
    "policy.second": "the address of a copy of the vault, such as file:///mnt/third/vault; empty: none",
    "policy.immutable": f"{_SPAN}: what points need is locked in the store for so long at any time, from 1d; 0: it is not",
    "policy.windows": "tables of begin, end, rate and perhaps days",
    "policy.windows[].days": "of mon, tue, wed, thu, fri, sat, sun; none: every day",
    "policy.windows[].begin": "a local time of day, such as 22:00",
    "policy.windows[].end": "a local time of day, such as 06:00; before `begin`: on the next day",
    "policy.windows[].rate": 'bytes a second such as "20MiB"; "0": nothing is sent',
    "networks": "tables of source, target, test and perhaps site",
    "networks[].site": "the site whose machines it is for; none: every site",
    "networks[].source": 'what a network card is joined to there, such as br0; "*": whatever no other table names',
    "networks[].target": f"in a failover: {_NETWORK}",
    "networks[].test": f"in a test: {_NETWORK}",
    "failover.fence": 'a program with its arguments that sees to it that a primary does not run its machine: ["/usr/local/sbin/fence"]',
    "failover.files-from": "directories beside /usr/share, /usr/lib and /boot that machines may be given firmware and kernels from",
    "maintenance.every": _SPAN,
    "maintenance.grace": f"{_SPAN}: how long readers may go on with what is condemned",
    "maintenance.jobs-for": _SPAN,
    "maintenance.events-for": _SPAN,
    "peers.listen": "an address and port, such as 0.0.0.0:8444",
    "peers.address": "as other sites reach it, such as vault.example.net:8444; without it what `listen` says",
    "peers.url": "what they are served, such as s3://bucket/prefix; without it this site's vault",
    "peers.memory": 'for what is being sent and fetched, at least "192MiB"; half of it is the share of one peer',
    "log.level": "debug, info, warning or error",
    "log.format": "auto, json or text",
}


class Table(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """A table of the file."""


class VaultTable(Table, frozen=True):
    url: str
    key_file: str = ""
    credential: str = ""


class TcpTable(Table, frozen=True):
    listen: str
    certificate: str
    private_key: str
    tokens: str


class ApiTable(Table, frozen=True):
    socket: str = "/run/understudy/api.sock"
    admins: tuple[str, ...] = ("root",)
    operators: tuple[str, ...] = ()
    viewers: tuple[str, ...] = ()
    tcp: TcpTable | None = None


class LimitsTable(Table, frozen=True):
    cycles: int = 4
    rate: str | int = "0"
    second_rate: str | int = "0"
    memory: str | int = "256MiB"


class TimesTable(Table, frozen=True):
    begin: str
    end: str
    days: tuple[Day, ...] = ()


class WindowTable(Table, frozen=True):
    begin: str
    end: str
    rate: str | int
    days: tuple[Day, ...] = ()


class PolicyTable(Table, frozen=True):
    interval: str | float = "1m"
    warning_rpo: str | float = 0
    critical_rpo: str | float = 0
    app_every: int = 0
    rate: str | int = "0"
    verify_every: str | float = "1d"
    drill_every: str | float = 0
    drill_times: TimesTable | None = None
    drill_warning: str | float = "90d"
    second: str = ""
    immutable: str | float = 0
    windows: tuple[WindowTable, ...] = ()


class NetworkTable(Table, frozen=True):
    source: str
    target: str = ""
    test: str = ""
    site: str = ""


class FailoverTable(Table, frozen=True):
    fence: tuple[str, ...] = ()
    files_from: tuple[str, ...] = ()


class MaintenanceTable(Table, frozen=True):
    every: str | float = "1h"
    grace: str | float = "15m"
    jobs_for: str | float = "30d"
    events_for: str | float = "90d"


class PeersTable(Table, frozen=True):
    listen: str
    address: str = ""
    url: str = ""
    memory: str | int = "256MiB"


class LogTable(Table, frozen=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "text"] = "auto"


class File(Table, frozen=True):
    vault: VaultTable
    site: str = ""
    state_dir: str = "/var/lib/understudy"
    api: ApiTable = ApiTable()
    limits: LimitsTable = LimitsTable()
    policy: PolicyTable = PolicyTable()
    networks: tuple[NetworkTable, ...] = ()
    maintenance: MaintenanceTable = MaintenanceTable()
    failover: FailoverTable = FailoverTable()
    peers: PeersTable | None = None
    log: LogTable = LogTable()
