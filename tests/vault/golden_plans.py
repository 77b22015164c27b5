"""Makes the golden vault of recovery plans: `python -m tests.vault.golden_plans tests/golden/plans`. Only for a new format."""

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.vault.worlds import UNLOCK
from understudy.store.file import FileStore
from understudy.vault.vault import Vault

TEXT = b'[[group]]\nname = "data"\nmachines = ["db"]\n'
REPORT = b'{"id":"019aa0b0c0d0e0f0a0b0","name":"dr","state":"succeeded"}'
RUN = "019aa0b0c0d0e0f0a0b0"


async def make(root: Path) -> None:
    with tempfile.TemporaryDirectory() as state:
        vault = await Vault.create(FileStore(root, make=True), UNLOCK, name="chief", state=Path(state))
        await vault.plans.set("dr", b"# soon another\n")
        await vault.plans.set("gone", TEXT)
        await vault.plans.set("dr", TEXT)
        await vault.plans.remove("gone")
        await vault.plans.keep(RUN, "dr", "succeeded", REPORT)
        await vault.close()


if __name__ == "__main__":
    asyncio.run(make(Path(sys.argv[1])))
