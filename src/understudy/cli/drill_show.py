"""`understudy drill show`."""

from pathlib import Path

import click

from understudy.cli.completing import machine_names
from understudy.cli.drill_named import drill_named
from understudy.cli.drill_words import drill_told
from understudy.cli.session import Session, asking
from understudy.cli.words import size
from understudy.errors import NotFound, TargetFailed


@click.command("show")
@click.argument("which", metavar="NAME|ID", shell_complete=machine_names)
@click.option("--screenshot", metavar="FILE", help="Write the picture of its screen here: a PNG, or text where it has no screen.")
@click.option("--console", is_flag=True, help="Show the end of what its guest said on its serial port.")
@click.option("--definition", is_flag=True, help="Show what was started, in TOML.")
@asking
async def command(session: Session, which: str, screenshot: str | None, console: bool, definition: bool) -> None:
    """Show the newest test failover of machine NAME, or that whose id is or begins with ID: how long what took, what was looked at, and
    what came of it.
    """
    async with session.daemon.opened() as service:
        found = await drill_named(service, which)
        evidence = await service.evidence(found.id) if screenshot or console else None
    out = session.output
    if screenshot and evidence is not None:
        if not evidence.picture:
            raise NotFound(f"test {found.id[:8]} left no picture", hint="`understudy drill show` says why")
        _write(screenshot, evidence.picture)
    out.document(found)
    drill_told(out, found)
    if definition:
        out.say(found.definition)
    if console and evidence is not None:
        out.say(_shown(evidence.console))
    if screenshot and evidence is not None:
        kind = "a PNG" if evidence.kind == "png" else "text: it has no screen"
        out.say(f"{screenshot}: {size(len(evidence.picture))}, {kind}")


def _write(path: str, data: bytes) -> None:
    try:
        Path(path).write_bytes(data)
    except OSError as error:
        raise TargetFailed(f"{path} cannot be written: {error.strerror}", hint="name another file") from None


def _shown(text: str) -> str:
    """A guest does not speak to the operator's terminal."""
    return "".join(char if char.isprintable() or char in "\n\t" else " " for char in text.replace("\r", ""))
