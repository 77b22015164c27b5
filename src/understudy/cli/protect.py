"""`understudy protect`."""

import os
from collections.abc import Sequence
from typing import get_args

import click

from understudy.cli.output import columns
from understudy.cli.pairs import pairs
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.words import size
from understudy.engine import BlockSource, FreezeMethod, MachineSource, Protect, QemuSource, checked_name
from understudy.errors import InvalidRequest

_SAID = {
    "created": "{name} is protected; its id is {id}",
    "renewed": "{name} was protected from this host already; how it is read has been renewed",
    "adopted": "{name} is followed from this host now; its {points}",
}


@click.command("protect")
@click.argument("name")
@click.option("--qmp", metavar="SOCKET", help="The QMP socket of a running QEMU.")
@click.option(
    "disks",
    "--disk",
    multiple=True,
    metavar="NAME=WHERE",
    help="A disk: with --qmp the node of its blocks (all disks if none is named), else the path of a file or block device.",
)
@click.option("exclude", "--exclude", multiple=True, metavar="DISK", help="With --qmp: leave out this disk, by its name, device or node.")
@click.option("--agent", metavar="SOCKET", help="The socket of the guest agent's character device, for app-consistent points.")
@click.option("--pre-hook", metavar="PROGRAM", help="Run before the freeze of an app-consistent point.")
@click.option("--post-hook", metavar="PROGRAM", help="Run after the freeze of an app-consistent point, whatever became of it.")
@click.option(
    "--method",
    type=click.Choice(get_args(FreezeMethod)),
    default="auto",
    show_default=True,
    help="How a VM's disks are frozen; auto: by the first method that serves it safely.",
)
@click.option("--allow-pause", is_flag=True, help="The VM may be stopped for some milliseconds at each freeze.")
@click.option("--adopt", is_flag=True, help="Take over a machine that another host followed, which must not follow it any more.")
@common
async def command(
    session: Session,
    name: str,
    qmp: str | None,
    disks: tuple[str, ...],
    exclude: tuple[str, ...],
    agent: str | None,
    pre_hook: str | None,
    post_hook: str | None,
    method: FreezeMethod,
    allow_pause: bool,
    adopt: bool,
) -> None:
    """Follow machine NAME from this host.

    Its disks are looked at first; nothing in the machine is changed. Saying it again renews how this host reads it.
    """
    source = source_of(qmp, disks, agent, pre_hook, post_hook, method, allow_pause, exclude)
    request = Protect(name=checked_name("machine", name), source=source, adopt=adopt)
    async with session.engine() as engine:
        done = await engine.protect(request)
    out = session.output
    out.document(done)
    table = columns("disk", "size", "sector", right=("size", "sector"))
    for disk in done.found.disks:
        table.add_row(disk.name, size(disk.size), str(disk.sector))
    out.say(f"source {done.found.kind}, frozen by {done.found.method}")
    if done.found.quiesce:
        out.say(f"app-consistent points with {done.found.quiesce}")
    out.table(table)
    if done.found.excluded:
        out.say(f"left out: {', '.join(done.found.excluded)}")
    if done.found.fleeting:
        out.say(
            f"read whole after each restart of the VM: {', '.join(done.found.fleeting)} (for a raw disk, `understudy wrap` changes that)"
        )
    points = "1 recovery point stays" if done.machine.points == 1 else f"{done.machine.points} recovery points stay"
    out.say(_SAID[done.outcome].format(name=name, id=done.machine.id, points=points), style="bold")
    out.say("the daemon replicates it from now on: understudy status" if session.remote else f"next: understudy replicate {name}")


def source_of(
    qmp: str | None,
    disks: Sequence[str],
    agent: str | None = None,
    pre_hook: str | None = None,
    post_hook: str | None = None,
    method: FreezeMethod = "auto",
    allow_pause: bool = False,
    exclude: Sequence[str] = (),
) -> MachineSource:
    """How the options say that the machine is read; paths become absolute here, where they were typed."""
    named = {checked_name("disk", disk): where for disk, where in pairs("--disk", disks).items()}
    pre, post = (os.path.abspath(hook) if hook else "" for hook in (pre_hook, post_hook))
    if exclude and (named or not qmp):
        raise InvalidRequest(
            "--exclude goes with --qmp and without --disk", hint="name the disks that are wanted, or leave out those that are not"
        )
    if qmp:
        socket = os.path.abspath(agent) if agent else ""
        return QemuSource(
            qmp=os.path.abspath(qmp),
            disks=named,
            exclude=tuple(dict.fromkeys(exclude)),
            agent=socket,
            pre_hook=pre,
            post_hook=post,
            method=method,
            allow_pause=allow_pause,
        )
    if method != "auto" or allow_pause:
        raise InvalidRequest("--method and --allow-pause go with --qmp", hint="files and devices are read as they are")
    if agent:
        raise InvalidRequest("--agent goes with --qmp", hint="files and devices have no guest; hooks can quiesce what writes to them")
    if not named:
        raise InvalidRequest(
            "nothing says how to read the machine", hint="give --qmp SOCKET for a running QEMU, or --disk NAME=PATH for each disk"
        )
    paths: dict[str, str] = {}
    for disk, where in named.items():
        path = os.path.abspath(where)
        if os.path.realpath(path) in map(os.path.realpath, paths.values()):
            raise InvalidRequest(f"{path} is named for two disks", hint="each disk has a file or device of its own")
        paths[disk] = path
    return BlockSource(disks=paths, pre_hook=pre, post_hook=post)
