"""An image that somebody has touched since its record was written: is it still what the record says?"""

from pathlib import Path

import msgspec

from understudy import extents as ext
from understudy.errors import Conflict, TargetFailed
from understudy.model import BLOCK_SIZE
from understudy.recovery import standing as st
from understudy.recovery.disk_work import FindPoint, MachineContent
from understudy.recovery.place import Place, open_existing
from understudy.recovery.progress import Listener
from understudy.recovery.scan import differing
from understudy.recovery.standing import Identity, Standing

_LOST = "copy the image first if that is of worth; `understudy standby create --adopt` writes the machine's content over it"


async def vouch(place: Place, vault: str, machine: str, find: FindPoint, listener: Listener) -> None:
    """Nothing happens to an image that nobody has written to, or whose content is not on record. One that was written to is read: if it
    differs in nothing from its point, its record is made good; else `Conflict`, and nothing is changed.
    """
    path = place.path.resolve()
    standing = st.read(path)
    if standing is None or not path.exists() or (standing.subject.vault, standing.subject.machine) != (vault, machine):
        return
    now = Identity.of(path)
    if st.ours(standing, standing.subject, now.inode) and st.in_use(standing, now):
        await _compared(path, place, standing, await find(standing.holds), listener)


async def _compared(path: Path, place: Place, standing: Standing, wanted: MachineContent | None, listener: Listener) -> None:
    disks = wanted.disks.values() if wanted is not None else ()
    content = next((disk for disk in disks if disk.disk.id.hex() == standing.subject.disk), None)
    if wanted is None or content is None:
        raise Conflict(f"{path} was written to by something else, and the vault does not tell any more what it was", hint=_LOST)
    before = await st.settled(path)
    try:
        opened = await open_existing(place, content.disk, standing.subject, read_only=True)
    except TargetFailed as error:
        raise Conflict(f"{path} was written to by something else: {error.message}", hint=_LOST) from error
    try:
        found = await differing(opened.target, content, wanted.secrets, listener)
    finally:
        await opened.target.close()
    if len(found):
        raise Conflict(f"something else has written to {path}: {ext.total(found) * BLOCK_SIZE >> 10} KiB differ from its point", hint=_LOST)
    after = await st.settled(path)
    if (before.size, before.mtime_ns) != (after.size, after.mtime_ns):
        raise Conflict(f"{path} is being written to by another program", hint="see what uses it")
    st.write(path, msgspec.structs.replace(standing, identity=after))
