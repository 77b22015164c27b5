"""`understudy unmount`."""

import click

from understudy.cli.completing import mount_names
from understudy.cli.session import Session
from understudy.cli.session import command as common


@click.command("unmount")
@click.argument("which", metavar="MOUNT|DIRECTORY", shell_complete=mount_names)
@click.option("--forget", is_flag=True, help="The vault is gone for good: do not ask it to hold the point no longer.")
@common
async def command(session: Session, which: str, forget: bool) -> None:
    """End a mount of a recovery point, by its name or its directory, and hold the point no longer. Needs root.

    Nothing of it is left, whatever of it had died. While somebody uses its files nothing is done, and who that is is said.
    """
    from understudy.app import stop_mount

    session.must_name_a_vault("a mount")
    done = await stop_mount(session.connection(), which, forget=forget)
    session.output.document(done)
    mount = done.mount
    held = "may be held for it still, if its vault is there" if forget else "is not held for it any longer"
    session.output.say(f"{mount.name} is mounted no more, and point {mount.number} of {mount.machine} {held}", style="bold")
    for path in done.left:
        session.output.say(f"  {path} was left: it holds something that is not of the mount")
