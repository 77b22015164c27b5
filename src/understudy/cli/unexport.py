"""`understudy unexport`."""

import click

from understudy.cli.session import Session
from understudy.cli.session import command as common


@click.command("unexport")
@click.argument("name", metavar="EXPORT")
@click.option("--discard", is_flag=True, help="Delete what was written to its overlay, too.")
@common
async def command(session: Session, name: str, discard: bool) -> None:
    """Stop serving a point, and hold it no longer.

    An export with an overlay is only stopped, and may be begun again, unless --discard deletes what was written.
    """
    from understudy.app import stop_export

    session.must_name_a_vault("an export")
    export = await stop_export(session.connection(), name, discard=discard)
    session.output.document(export)
    session.output.say(
        f"{name} is served no more, and point {export.number} of {export.machine} is not held for it any longer", style="bold"
    )
