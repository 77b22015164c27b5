"""`networks.json` beside `policy.json`: how the machine comes up on this site, where that is not as all others. Also of machines that this
host does not follow: it is the site that would start them."""

from pathlib import Path

import msgspec

from understudy.durable import remove, replace_file
from understudy.engine import MachineNetworks, checked_networks
from understudy.errors import InvalidRequest, StateFailed
from understudy.local.site import Site
from understudy.vault.memory import Memory

NAME = "networks.json"


def read_networks(directory: Path) -> MachineNetworks | None:
    """None if nothing is set. Blocks."""
    path = directory / NAME
    try:
        return checked_networks(msgspec.json.decode(path.read_bytes(), type=MachineNetworks))
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, InvalidRequest) as error:
        raise StateFailed(f"{path} cannot be read: {error}", hint="set the machine's networks again: understudy network set") from None


def write_networks(directory: Path, networks: MachineNetworks | None) -> None:
    """Durable when it returns; None: nothing is set any more. Blocks."""
    path = directory / NAME
    if networks is not None:
        replace_file(path, msgspec.json.format(msgspec.json.encode(networks)) + b"\n")
        return
    try:
        remove(path)
    except OSError as error:
        raise StateFailed(f"{path} cannot be removed: {error.strerror}") from None


def mapped_here(site: Site, vault_id: str) -> set[str]:
    """Ids of the machines for which something is set. Blocks."""
    return {machine for machine in Memory.of(site.state, vault_id).machines() if (site.directory(vault_id, machine) / NAME).exists()}
