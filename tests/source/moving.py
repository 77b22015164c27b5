"""A VM moves from one QEMU to another on shared storage."""

from collections.abc import Sequence

from tests.source.machine import Machine


def destination(old: Machine) -> Machine:
    """What it may move to; to be started."""
    directory = old.directory / "there"
    directory.mkdir()
    return Machine(directory, list(old.disks), ["-incoming", "defer"])


async def migrate(old: Machine, new: Machine, capabilities: Sequence[str] = ()) -> None:
    """Return when the VM runs in the new QEMU, as far as it runs at all. The old one stays, as it does until somebody ends it."""
    wanted = [{"capability": name, "state": True} for name in capabilities]
    socket = f"unix:{new.directory}/moving"
    for machine in (old, new):
        await machine.execute("migrate-set-capabilities", capabilities=wanted)
    await new.execute("migrate-incoming", uri=socket)
    await old.execute("migrate", uri=socket)

    async def over() -> bool:
        states = [(await machine.execute("query-status"))["status"] for machine in (old, new)]
        return states == ["postmigrate", "prelaunch"]

    await old.until(over)
    await new.execute("cont")
    await new.execute("stop")
