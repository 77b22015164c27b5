"""`understudy plan report`."""

from pathlib import Path

import click

from understudy.cli.completing import job_ids
from understudy.cli.plan_words import run_told
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.engine.plan_page import page_of
from understudy.errors import InvalidRequest


@click.command("report")
@click.argument("run", shell_complete=job_ids)
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write it as a page, which needs nothing else."
)
@common
async def command(session: Session, run: str, html: Path | None) -> None:
    """Show the report of RUN: who asked for it and when, each step with what it said, and the RPO and RTO of each machine. The vault
    alone suffices: --vault URL reads it there where the site that ran the plan is lost.
    """
    async with session.engine() as engine:
        found = await engine.plan_report(run)
    if html is None:
        run_told(session.output, found, full=True)
        return
    _write(html, page_of(found))
    session.output.document(found)
    session.output.say(f"wrote {html}")


def _write(path: Path, page: str) -> None:
    try:
        path.write_text(page, "utf-8")
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be written: {error.strerror}") from None
