"""A machine whose disks keep their records of changes in their images, followed while it is started again and again."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.live.followed import following
from tests.live.trial import Trial, tool, wrapped
from tests.source.machine import MIB, Machine, blockdev, drive
from understudy.engine import Cycle
from understudy.errors import SourceUnavailable
from understudy.source.file_facts import obstacle
from understudy.source.file_users import opened, writers
from understudy.source.file_writers import FileWriters


def seen(path: Path) -> bool:
    """Whether all that happens to this file can be seen on this host, by whoever runs this."""
    try:
        FileWriters().close()
        return not obstacle(str(path)) and not writers([])
    except OSError:
        return False


async def at_rest(trial: Trial) -> None:
    """The machine is down, and its follower has let go of its images: it knows what they look like."""
    images = [*(disk.path.stat() for disk in trial.machine.disks), trial.data.stat()]

    async def known() -> bool:
        here = opened(os.getpid())
        return not any((image.st_dev, image.st_ino) in here for image in images)

    await trial.machine.quit()
    await trial.machine.until(known)


async def again(trial: Trial) -> Cycle:
    """The next point, after as many attempts as a new QEMU takes."""
    while True:
        try:
            return await trial.followed.cycle()
        except SourceUnavailable:
            continue


@asynccontextmanager
async def kept(short_directory: Path, tmp_path: Path) -> AsyncIterator[Trial]:
    """A qcow2 disk `cow`, a wrapped raw one `wrap`, and one laid on another image, `over`, by -drive."""
    over = drive(short_directory, "over", "qcow2", 4 * MIB)
    base = short_directory / "base"
    tool("qemu-img", "create", "-q", "-f", "qcow2", base, "4M")
    tool("qemu-io", "-f", "qcow2", "-c", "write -P 11 0 4M", base)
    tool("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, over.path)
    machine = Machine(short_directory, [blockdev(short_directory, "cow", "qcow2", 4 * MIB), wrapped(short_directory), over])
    await machine.start()
    try:
        for disk in ("cow", "wrap"):
            await machine.write(disk, 0, 3 * MIB, 17)
        async with following(machine, tmp_path) as followed:
            trial = Trial(followed, tmp_path)
            assert (await followed.cycle()).cause == "initial"
            yield trial
    finally:
        await machine.kill()
