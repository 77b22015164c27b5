"""`understudy standby remove`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.confirming import confirmed
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.engine import RemoveStandby


@click.command("remove")
@click.argument("name", metavar="MACHINE", shell_complete=machine_names)
@click.option("--keep-images", is_flag=True, help="Leave them where they are.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
async def command(session: Session, name: str, keep_images: bool, yes: bool) -> None:
    """Keep MACHINE's images no longer: they are deleted, unless they are in use or something else has written to them."""
    async with session.engine() as engine:
        if not keep_images:
            images = ", ".join(disk.path for disk in (await engine.standby(name)).disks)
            confirmed(yes, f"the images of {name} on this host will be deleted: {images}; its points in the vault stay")
        found = await engine.remove_standby(RemoveStandby(machine=name, keep_images=keep_images))
    session.output.document(found)
    left = "its images stay" if keep_images else "its images are deleted"
    session.output.say(f"no standby of {found.machine} is kept here any more; {left}", style="bold")
