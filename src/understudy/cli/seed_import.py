"""`understudy seed import`."""

import click

from understudy.cli.progress import shown
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.words import size
from understudy.engine import SeedImport
from understudy.engine.units import count, duration


@click.command("import")
@click.argument("directory", metavar="DIR", type=click.Path(resolve_path=True))
@common
async def command(session: Session, directory: str) -> None:
    """Bring what `seed export` has put into DIR to the vault.

    The vault is the one that it was exported from, or, for a point, an empty place. Every object is proven before it is
    stored; what is there already is not copied again. Repeat it if it is killed.
    """
    async with session.engine() as engine:
        with shown(session.output) as progress:
            done = await engine.import_seed(SeedImport(directory=directory), progress)
    out = session.output
    out.document(done)
    copied = f"{count(done.objects, 'object')}, {done.copied} of them new ({size(done.copied_bytes)}), in {duration(done.seconds)}"
    out.say(f"{done.directory} is in the vault: {copied}", style="bold")
    if done.kind == "initial":
        out.say(f"the first recovery point is made by the next: understudy replicate {done.machine}")
