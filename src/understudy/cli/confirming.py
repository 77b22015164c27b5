"""Asking whether it is meant, before what cannot be taken back."""

import sys

import click

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


def is_asked(yes: bool) -> bool:
    """Whether somebody is there to be asked. For what timers do every day: without a terminal it is done."""
    return not yes and sys.stdin.isatty()
