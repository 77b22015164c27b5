"""Makes the golden vault: `python -m tests.vault.golden tests/golden/vault`. Only for a new format; the old one must go on opening."""

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.vault.worlds import a_point, bundle_of, forge, passphrase
from understudy.store.file import FileStore
from understudy.vault import kinds, names
from understudy.vault.keys.unlock import KeyFile
from understudy.vault.log.side_object import put_side_object
from understudy.vault.vault import Vault

OPERATOR_KEY = KeyFile(bytes(range(32)))
OPERATOR_PASSPHRASE = passphrase("golden caf\u00e9")
SOURCE_KEY = KeyFile(bytes(range(32, 64)))
REVOKED_KEY = KeyFile(bytes(range(64, 96)))
DEFINITION = b'{"memory":1024}'
POINTS = tuple(a_point(bytes([number]) * 16, inline=b"inline %d" % number) for number in range(1, 4))


async def make(root: Path) -> None:
    """One of everything that a log may hold."""
    with tempfile.TemporaryDirectory() as state:
        vault = await Vault.create(FileStore(root, make=True), OPERATOR_KEY, name="chief", state=Path(state, "operator"))
        await vault.keys.extend(OPERATOR_PASSPHRASE)
        await vault.keys.add("source", "host-a", SOURCE_KEY)
        gone = await vault.keys.add("source", "host-b", REVOKED_KEY)
        source = await Vault.open(FileStore(root), SOURCE_KEY, Path(state, "source"))
        theirs = await source.protect("web", "host-a")
        await theirs.claim("host-a")
        owner = names.machine(theirs.machine_id)
        definition = await put_side_object(source.store, source.access, owner, "definition", DEFINITION)
        await theirs.append(kinds.Definition(definition=definition))
        await theirs.append(POINTS[0])
        await theirs.append(POINTS[1])
        await theirs.append(kinds.Checkpoint(point=POINTS[0].id, id=b"c" * 16, size=100, directory=(40, 60)))
        await forge(theirs, await bundle_of(vault, REVOKED_KEY), kinds.Note(text="still trusted"), vault=vault)
        await vault.keys.remove(gone.id)
        ours = await vault.find("web")
        await ours.append(kinds.Hold(id=b"h" * 16, point=POINTS[0].id, reason="golden"))
        await forge(theirs, await bundle_of(source, SOURCE_KEY), kinds.Failover(epoch=2, site="thief"), vault=vault)
        await ours.append(kinds.Failover(epoch=2, site="host-c"))
        await ours.claim("host-c")
        await ours.append(POINTS[2])
        await ours.append(kinds.Note(text="the end"))
        await source.close()
        await vault.close()


if __name__ == "__main__":
    asyncio.run(make(Path(sys.argv[1])))
