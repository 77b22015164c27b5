"""Names of a vault's objects; docs/format.md lists them. Ids are lower-case hex."""

DESCRIPTOR = "vault"
COPY = "copy"
KEYS = "keys/"
SETTINGS = "settings"
MACHINES = "machines/"


def slot(slot_id: str) -> str:
    return f"{KEYS}{slot_id}"


def machine(machine_id: str) -> str:
    return f"{MACHINES}{machine_id}"


def log(owner: str) -> str:
    """Prefix of a log's records; `owner` is SETTINGS or machine(id)."""
    return f"{owner}/log/"


def record(owner: str, seq: int) -> str:
    return f"{log(owner)}{seq:016d}"


def lasts(name: str) -> bool:
    """Whether no other object ever has this name: it is random, or the hash of what is stored. A record's place is anybody's to take."""
    return name.split("/")[-2:-1] in (["packs"], ["objects"], ["maps"])


def number_of(owner: str, name: str) -> int | None:
    """The number of the record that has this name; None for what is no record's name."""
    digits = name.removeprefix(log(owner))
    return int(digits) if len(digits) == 16 and digits.isascii() and digits.isdecimal() else None


def staged(owner: str, seq: int) -> str:
    """Of a copy: a record of the vault's log that waits for others before it comes into this one."""
    return f"{staging(owner)}{seq:016d}"


def staging(owner: str) -> str:
    return f"{owner}/staged/"


def leaps(owner: str) -> str:
    """Of a copy: prefix of the objects that say from which record to which its log went at once. They come after the log's own names,
    so that a walk over machines meets a log first."""
    return f"{owner}/switches/"


def pack(machine_id: str, pack_id: str) -> str:
    return f"{machine(machine_id)}/packs/{pack_id}"


def probe(machine_id: str, site: str) -> str:
    """An object that is written to see whether that can be done, and deleted at once. `site`: 32 hex digits of the site's own."""
    return f"{machine(machine_id)}/probes/{site}"


def side_object(owner: str, digest: str) -> str:
    """A sealed body too large for a record, named by its BLAKE2b-256."""
    return f"{owner}/objects/{digest}"


def checkpoint(machine_id: str, checkpoint_id: str) -> str:
    return f"{machine(machine_id)}/maps/{checkpoint_id}"
