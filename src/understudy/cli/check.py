"""`understudy check`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.output import columns
from understudy.cli.session import Session, asking
from understudy.cli.words import age
from understudy.engine import Readiness, Verdict

NOT_READY = 1
_STYLES: dict[Verdict, str] = {"pass": "", "warn": "yellow", "fail": "bold red"}
_WORDS: dict[Verdict, str] = {
    "pass": "could be started here",
    "warn": "could be started here; see what is marked",
    "fail": "could not be started here, or would not be well",
}


@click.command("check")
@click.argument("name", shell_complete=machine_names)
@click.option("--last", is_flag=True, help="Show what was found when it was looked at last, by whomever.")
@asking
async def command(session: Session, name: str, last: bool) -> None:
    """Could machine NAME be started on this site now? Looks at everything that a failover here needs, and changes nothing.

    The daemon looks each half day by itself at the machines of other sites whose networks are mapped here; what fails is shown by
    `understudy status`.

    \b
    Exit codes of this command:
      0  everything passes, or warns
      1  something fails
      3  there is no machine of this name, or with --last it was never looked at
    """
    async with session.daemon.opened() as service:
        found = await (service.readiness(name) if last else service.check(name))
    session.output.document(found)
    _told(session, found)
    if found.verdict == "fail":
        raise click.exceptions.Exit(NOT_READY)


def _told(session: Session, found: Readiness) -> None:
    out = session.output
    out.say(f"{found.machine}, which runs at {found.site or 'no site'}, {_WORDS[found.verdict]}", style="bold")
    out.say(f"looked at {age(found.at)}", style="dim")
    out.say()
    table = columns("what", "verdict", "found", wrapped=("found",))
    for item in found.items:
        words = f"{item.words}\n  {item.hint}" if item.hint and item.verdict != "pass" else item.words
        table.add_row(item.what, item.verdict, words, style=_STYLES[item.verdict])
    out.table(table)
