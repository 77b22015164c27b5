"""What is said of failovers."""

import sys

import click

from understudy.cli.output import Output
from understudy.engine import FailedOver
from understudy.engine.units import duration
from understudy.errors import InvalidRequest


def confirmed(yes: bool, what: str) -> None:
    """`what` will be done; asked, unless it was said that nobody shall be. `InvalidRequest` where nobody can be."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidRequest(f"{what}; nothing was done", hint="say that you mean it: --yes")
    click.echo(what, err=True)
    if not click.confirm("Go on?", default=False, err=True):
        raise InvalidRequest("nothing was done", hint="say it again when you mean it")


def told(out: Output, done: FailedOver, words: str) -> None:
    out.document(done)
    for finding in done.findings:
        if finding.verdict != "pass":
            out.warn(f"{finding.what}: {finding.words}" + (f" ({finding.hint})" if finding.hint else ""))
    out.say(words, style="bold")
    if done.rpo_seconds is not None and done.rto_seconds is not None:
        lost = "nothing was lost" if not done.rpo_seconds else f"what was written in the last {duration(done.rpo_seconds)} before is lost"
        out.say(f"from point {done.number}: {lost}; its guest ran {duration(done.rto_seconds)} after it was asked for")
