"""`understudy standby create`."""

import os

import click

from understudy.cli.completing import machine_names
from understudy.cli.pairs import pairs
from understudy.cli.progress import shown
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.standby_words import followed_told
from understudy.engine import CreateStandby, FollowStandby, ImageFormat


@click.command("create")
@click.argument("name", metavar="MACHINE", shell_complete=machine_names)
@click.option("--to", "directory", metavar="DIR", help="Keep each disk in DIR/<disk>.raw or .qcow2, also those that it gets later.")
@click.option("disks", "--disk", multiple=True, metavar="NAME=PATH", help="Keep this disk there; may be repeated.")
@click.option("image_format", "--format", type=click.Choice(["raw", "qcow2"]), default="raw", show_default=True, help="Of new images.")
@click.option("--adopt", is_flag=True, help="Take images that are there already: only what differs is written over.")
@common
async def command(
    session: Session, name: str, directory: str | None, disks: tuple[str, ...], image_format: ImageFormat, adopt: bool
) -> None:
    """Keep images of machine MACHINE's disks on this host, at its newest point.

    The daemon brings them to each new point, by writing only what changed; without one this command makes them once. They are read and
    compared as a whole when they are made, each week, and by `understudy standby verify`. It takes an operator's key.

    Said again for a machine that has a standby, places are added or changed.
    """
    request = _request(name, directory, pairs("--disk", disks), image_format, adopt)
    async with session.engine() as engine:
        standby = await engine.create_standby(request)
        if session.remote:
            session.output.document(standby)
            session.output.say(
                f"a standby of {standby.machine} is kept here; `understudy standby show {standby.machine}` tells how far it is"
            )
            return
        with shown(session.output) as progress:
            done = await engine.follow_standby(FollowStandby(machine=standby.machine_id), progress)
        session.output.document(await engine.standby(standby.machine_id))
    followed_told(session.output, done)


def _request(machine: str, directory: str | None, disks: dict[str, str], image_format: ImageFormat, adopt: bool) -> CreateStandby:
    """With absolute paths: the daemon has another working directory."""
    images = {disk: os.path.abspath(path) for disk, path in disks.items()}
    where = os.path.abspath(directory) if directory is not None else ""
    return CreateStandby(machine=machine, directory=where, images=images, format=image_format, adopt=adopt)
