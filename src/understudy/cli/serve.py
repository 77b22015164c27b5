"""`understudy serve`."""

import asyncio
from pathlib import Path

import click

from understudy.cli.config_option import config_option


@click.command("serve")
@config_option
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(config: str, debug: bool) -> None:
    """Protect this host's machines on their policies, and serve the API, until SIGTERM.

    SIGHUP reloads the configuration. SIGTERM lets cycles come to their end, for 45 seconds at most; VMs go on in any case.
    """
    from understudy.serving import serve

    asyncio.run(serve(Path(config)))
