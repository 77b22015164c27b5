"""`understudy drill checks set`."""

import click

from understudy.cli.check_words import FORMS, checks_of, checks_told
from understudy.cli.completing import machine_names
from understudy.cli.session import Session, asking
from understudy.errors import InvalidRequest


@click.command("set")
@click.argument("name", shell_complete=machine_names)
@click.option("checks", "--check", multiple=True, metavar="CHECK", help=f"{FORMS}; may be repeated.")
@click.option("--timeout", metavar="TIME", help="How long each of them may take; 5m if nothing says so.")
@click.option("--default", is_flag=True, help="As it follows from what the machine is.")
@asking
async def command(session: Session, name: str, checks: tuple[str, ...], timeout: str | None, default: bool) -> None:
    """Say how a copy of machine NAME is known to be well, in the place of what was said before.

    \b
      understudy drill checks set web --check agent --check tcp:443
      understudy drill checks set db --check 'console:login:$' --check 'script:/usr/local/bin/look at-it' --timeout 10m

    A script runs on the daemon's host as the daemon's user: only admins may set one.
    """
    if default == bool(checks) or (default and timeout):
        raise InvalidRequest("nothing says what is to be looked at", hint=f"give --check ({FORMS}), or --default alone")
    wanted = None if default else checks_of(checks, timeout)
    async with session.daemon.opened() as service:
        done = await service.set_checks(name, wanted)
    session.output.document(done)
    checks_told(session.output, done)
