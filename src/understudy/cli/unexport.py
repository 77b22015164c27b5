"""`understudy unexport`."""

import click

from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.errors import InvalidRequest


@click.command("unexport")
@click.argument("name", metavar="EXPORT")
@click.option("--discard", is_flag=True, help="Delete what was written to its overlay, too.")
@click.option("--forget", is_flag=True, help="Its vault or machine is gone: do not ask for it. Its point stays held there, if it is there.")
@common
async def command(session: Session, name: str, discard: bool, forget: bool) -> None:
    """Stop serving a point, and hold it no longer.

    An export with an overlay is only stopped, and may be begun again, unless --discard deletes what was written.
    """
    from understudy.app import forget_export, stop_export

    if forget:
        if discard:
            raise InvalidRequest("--forget and --discard exclude each other", hint="--forget is for what is gone already")
        export = await forget_export(session.state_dir, name)
        session.output.document(export)
        session.output.say(f"{name} is forgotten here; what is still held for it in its vault, `understudy hold list` shows", style="bold")
        return
    session.must_name_a_vault("an export")
    export = await stop_export(session.connection(), name, discard=discard)
    session.output.document(export)
    session.output.say(
        f"{name} is served no more, and point {export.number} of {export.machine} is not held for it any longer", style="bold"
    )
