"""`understudy peer join`."""

import asyncio
import os
import sys

import click

from understudy.cli.output import Output
from understudy.cli.session import default_state_dir


@click.command("join")
@click.argument("key")
@click.option(
    "--state-dir", envvar="UNDERSTUDY_STATE_DIR", show_envvar=True, metavar="DIR", help="This site's own memory, as its daemon has it."
)
@click.option("--again", is_flag=True, help="In the place of what this site joined there before.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON on stdout, errors included.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")
def command(key: str, state_dir: str | None, again: bool, as_json: bool) -> None:
    """Join the site that made the registration key KEY; `-` reads it from standard input, where no list of processes shows it.

    A private key is made here, and never leaves this site. Broken off, say the same again.
    """
    from understudy.sites import join_site

    out = Output(as_json)
    text = sys.stdin.readline() if key == "-" else key
    joined = asyncio.run(join_site(text, os.path.abspath(state_dir or default_state_dir()), again=again))
    out.document(joined)
    out.say(f"this site may reach {joined.url}, where it is called {joined.name}", style="bold")
    out.say(f"what lets it in is {joined.credential}: keep it to this site")
