"""Makes the golden replicated vault: `python -m tests.vault.golden_replicated tests/golden/replicated`. Only for a new format."""

import asyncio
import json
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

import numpy as np

from tests.vault.golden import OPERATOR_KEY, OPERATOR_PASSPHRASE, REVOKED_KEY, SOURCE_KEY
from tests.vault.worlds import bundle_of, forge
from understudy.replication.cycle import Replicator
from understudy.source.block import BlockSource
from understudy.store.file import FileStore
from understudy.vault import kinds
from understudy.vault.vault import Vault

BLOCK = 4096


def changed(disk: Path, random: np.random.Generator, number: int) -> None:
    """A few blocks of noise, of text and of zeros."""
    data = bytearray(disk.read_bytes())
    for content in (random.bytes(BLOCK), b"%04d" % number * 1024, bytes(BLOCK)):
        start = int(random.integers(0, len(data) // BLOCK)) * BLOCK
        data[start : start + BLOCK] = content[: len(data) - start]
    disk.write_bytes(data)


async def make(root: Path) -> None:
    """Points of two disks, in packs of their own and inline; disks that grow, shrink, come and go; noise that does not count."""
    random = np.random.default_rng(1)
    held: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        vda, vdb = here / "vda", here / "vdb"
        vda.write_bytes(random.bytes(20 * BLOCK) + bytes(10 * BLOCK) + b"text" * 1024)
        vdb.write_bytes(random.bytes(3 * BLOCK + 512))
        vault = await Vault.create(FileStore(root, make=True), OPERATOR_KEY, name="chief", state=here / "operator")
        await vault.keys.extend(OPERATOR_PASSPHRASE)
        await vault.keys.add("source", "host-a", SOURCE_KEY)
        gone = await vault.keys.add("source", "host-b", REVOKED_KEY)
        stolen = await bundle_of(vault, REVOKED_KEY)
        source = await Vault.open(FileStore(root), SOURCE_KEY, here / "source")
        log = await source.protect("web", "host-a")
        (here / "local").mkdir()

        async def cycles(disks: dict[str, Path], count: int) -> None:
            replicator = Replicator(source, log, BlockSource({name: str(path) for name, path in disks.items()}), here / "local", "host-a")
            await replicator.open()
            for number in range(count):
                report = await replicator.cycle()
                held[report.point] = {name: sha256(path.read_bytes()).hexdigest() for name, path in disks.items()}
                for path in disks.values():
                    changed(path, random, number)
            await replicator.source.close()

        await cycles({"vda": vda, "vdb": vdb}, 2)
        await forge(log, stolen, kinds.Claim(site="host-b"), vault=vault)
        await vault.keys.remove(gone.id)
        await forge(log, stolen, kinds.Claim(site="thief"), vault=vault)
        await forge(log, await bundle_of(source, SOURCE_KEY), kinds.Failover(epoch=2, site="thief"), vault=vault)
        vda.write_bytes(vda.read_bytes()[: 12 * BLOCK + 1000])
        await cycles({"vda": vda}, 2)
        vda.write_bytes(vda.read_bytes().ljust(31 * BLOCK, b"\0"))
        await cycles({"vda": vda, "vdb": vdb}, 16)
        await source.close()
        await vault.close()
    root.with_suffix(".json").write_text(json.dumps(held, indent=1) + "\n")


if __name__ == "__main__":
    asyncio.run(make(Path(sys.argv[1])))
