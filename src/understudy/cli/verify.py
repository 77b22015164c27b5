"""`understudy verify`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.progress import shown
from understudy.cli.selecting import select, split
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.words import size
from understudy.engine import Level, Verified, Verify
from understudy.engine.units import count, duration
from understudy.errors import IntegrityError, InvalidRequest

_PROVEN = {
    "scrub": "every object is what was written (nothing was decrypted)",
    "frames": "every frame opens",
    "digest": "every disk has its digest, bit for bit",
}


@click.command("verify")
@click.argument("which", metavar="[NAME[@POINT]]", required=False, shell_complete=machine_names)
@click.option("every", "--all", is_flag=True, help="All points of the machine, not only one.")
@click.option("level", "--level", type=click.Choice(["scrub", "frames", "digest"]), help="How much to prove; digest if a machine is named.")
@common
async def command(session: Session, which: str | None, every: bool, level: Level | None) -> None:
    """Prove recovery points: the newest, the one named, or all of a machine.

    \b
    scrub    hash every object that the points need
    frames   and decrypt every frame
    digest   and compare every disk with its digest, bit for bit

    Without NAME, scrub the whole vault; that takes no key. Whatever is damaged is named, and the exit code is 6.
    """
    if which is None:
        if every or level not in (None, "scrub"):
            raise InvalidRequest(
                "without a machine only the whole vault can be scrubbed", hint="name a machine: understudy verify NAME --all"
            )
        async with session.engine(keyless=True) as engine:
            with shown(session.output) as progress:
                done = await engine.scrub(progress)
    else:
        name, text = split(which)
        if every and "@" in which:
            raise InvalidRequest("--all and a point exclude each other")
        async with session.engine() as engine:
            listing = await engine.points(name)
            newest = select(name, listing, text)
            points = tuple(point.id for point in listing.points) if every else (newest.id,)
            with shown(session.output) as progress:
                done = await engine.verify(Verify(machine=listing.machine.id, points=points, level=level or "digest"), progress)
    _tell(session, done)
    if done.damage:
        raise click.exceptions.Exit(IntegrityError.exit_code)


def _tell(session: Session, done: Verified) -> None:
    out = session.output
    out.document(done)
    for point in done.points:
        out.say(f"point {point.number} ({point.id[:8]}): {'DAMAGED' if point.damage else 'whole'}", style="red" if point.damage else "")
    for damage in done.damage:
        out.say(f"DAMAGED {damage.name}: {damage.reason}", style="red")
    if done.unrecorded:
        out.warn(f"retention does not know of this, since it could not be written down: {done.unrecorded}")
    what = count(len(done.points), "point") if done.points else "the whole vault"
    read = f"{count(done.objects, 'object')}, {size(done.read_bytes)} in {duration(done.seconds)}"
    if done.damage:
        out.say(f"verified {what}: {count(len(done.damage), 'thing')} damaged; {read}", style="bold red")
    else:
        out.say(f"verified {what}: {_PROVEN[done.level]}; {read}", style="bold")
