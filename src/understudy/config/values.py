"""What the file comes to."""

from typing import Literal

from understudy.engine import NetworkRule, ReplicationPolicy
from understudy.engine.values import Value


class VaultConfig(Value, frozen=True):
    """`key_file` is absolute, or empty where `credential` names a file in the directory that systemd gives."""

    url: str
    key_file: str
    credential: str


class TcpConfig(Value, frozen=True):
    host: str
    port: int
    certificate: str
    private_key: str
    tokens: str


class ApiConfig(Value, frozen=True):
    """Users, and groups with an @, who reach the socket."""

    socket: str
    admins: tuple[str, ...]
    operators: tuple[str, ...]
    viewers: tuple[str, ...]
    tcp: TcpConfig | None


class Limits(Value, frozen=True):
    """`cycles` at once, `rate` in bytes a second (0: unlimited) of the whole host, `second_rate` of what is copied to second vaults,
    `memory` in bytes for blocks under way."""

    cycles: int = 4
    rate: int = 0
    second_rate: int = 0
    memory: int = 256 << 20


class Maintenance(Value, frozen=True):
    """Seconds. `grace`: how long readers may go on with what a collection condemns."""

    every: float = 3600.0
    grace: float = 900.0
    jobs_for: float = 30 * 86400.0
    events_for: float = 90 * 86400.0


class Failover(Value, frozen=True):
    """`fence`: a command that makes sure that a machine's primary does not run it; empty: none."""

    fence: tuple[str, ...] = ()
    files_from: tuple[str, ...] = ()
    """Directories beside those of the driver's own that definitions may name files in."""


class Peers(Value, frozen=True):
    """Sites that are served `url`, with `memory` bytes for what is under way; `address` is host:port as they reach it."""

    host: str
    port: int
    address: str
    url: str
    memory: int


class Log(Value, frozen=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "text"] = "auto"


class Config(Value, frozen=True):
    """`policy`: of machines without one of their own. `networks`: what other sites' networks become here."""

    site: str
    state_dir: str
    vault: VaultConfig
    api: ApiConfig
    limits: Limits = Limits()
    policy: ReplicationPolicy = ReplicationPolicy()
    networks: tuple[NetworkRule, ...] = ()
    maintenance: Maintenance = Maintenance()
    failover: Failover = Failover()
    peers: Peers | None = None
    log: Log = Log()
