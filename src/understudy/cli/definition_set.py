"""`understudy definition set`."""

from pathlib import Path

import click

from understudy.cli.completing import machine_names
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.engine import SetDefinition
from understudy.errors import InvalidRequest


@click.command("set")
@click.argument("name", shell_complete=machine_names)
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--captured", is_flag=True, help="Take it back: start from what each point says.")
@common
async def command(session: Session, name: str, file: Path | None, captured: bool) -> None:
    """Start machine NAME from what FILE says, whatever its points say. `definition show` prints one to begin with."""
    if (file is not None) == captured:
        raise InvalidRequest("name either a file or --captured", hint=f"understudy definition show {name} > {name}.toml prints one")
    async with session.engine() as engine:
        shown = await engine.set_definition(SetDefinition(machine=name, text=None if file is None else _text(file)))
    session.output.document(shown)
    session.output.say(f"{shown.machine} starts from {'what its points say' if shown.text is None else 'what was given'}")


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{file} cannot be read: {error}") from None
