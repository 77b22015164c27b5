"""`understudy unprotect`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.confirming import confirmed, is_asked
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.engine import Unprotect


@click.command("unprotect")
@click.argument("name", shell_complete=machine_names)
@click.option("--forget", is_flag=True, help="The VM is gone for good: do not look for it, only forget it here.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
async def command(session: Session, name: str, forget: bool, yes: bool) -> None:
    """Stop following machine NAME and leave nothing of ours in it. Its recovery points stay in the vault. At a terminal it asks."""
    if is_asked(yes):
        left = "its VM is not visited, and keeps what tracks its changes" if forget else "what tracked its changes goes"
        confirmed(yes, f"{name} will have no new points from this host; {left}. Its points stay in the vault")
    async with session.engine() as engine:
        done = await engine.unprotect(Unprotect(name=name, forget=forget))
    out = session.output
    out.document(done)
    if done.cleaned:
        out.say(f"{name} is no longer followed from this host; nothing of ours is left in it", style="bold")
    else:
        out.say(f"{name} is forgotten on this host; its VM was not visited", style="bold")
    kept = "1 recovery point stays" if done.machine.points == 1 else f"{done.machine.points} recovery points stay"
    out.say(f"{kept} in the vault and can be restored")
