"""`understudy plan set`."""

from pathlib import Path

import click

from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.engine import SetPlan
from understudy.engine.units import count
from understudy.errors import InvalidRequest


@click.command("set")
@click.argument("name")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@common
async def command(session: Session, name: str, file: Path) -> None:
    """Keep the recovery plan in FILE (TOML) as NAME, instead of any plan that has this name. Programs that it names are run by the daemon
    that runs the plan, as root unless the plan says otherwise: whoever may set plans may do anything on that host.
    """
    async with session.engine() as engine:
        shown = await engine.set_plan(SetPlan(name=name, text=_text(file)))
    session.output.document(shown)
    groups = shown.plan.groups
    held = f"{count(len(groups), 'group')}, {count(sum(len(group.machines) for group in groups), 'machine')}"
    session.output.say(f"plan {shown.name}: {held}, revision {shown.revision}", style="bold")
    session.output.say(f"next: understudy plan check {shown.name}")


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{file} cannot be read: {error}") from None
