"""`understudy network clear`."""

import click
import msgspec

from understudy.cli.completing import machine_names
from understudy.cli.network_words import networks_told
from understudy.cli.session import Session, asking
from understudy.engine import Placement
from understudy.errors import NotFound


@click.command("clear")
@click.argument("name", shell_complete=machine_names)
@click.option("--nic", metavar="NIC", help="Only what is set for this network card; else everything.")
@click.option("--test", is_flag=True, help="Only what is set for tests.")
@asking
async def command(session: Session, name: str, nic: str | None, test: bool) -> None:
    """Let machine NAME come up here as its definition and this site's [[networks]] say."""
    async with session.daemon.opened() as service:
        own = None
        if nic is not None or test:
            shown = await service.networks(name)
            kinds = {"test": shown.own.test} | ({} if test else {"failover": shown.own.failover})
            if nic is not None and not any(nic in placement.nics for placement in kinds.values()):
                raise NotFound(f"nothing is set for network card {nic!r} of {shown.machine}", hint=f"understudy network show {name}")
            changes = {kind: Placement() if nic is None else _without(placement, nic) for kind, placement in kinds.items()}
            own = msgspec.structs.replace(shown.own, **changes)
        shown = await service.set_networks(name, own)
    session.output.document(shown)
    networks_told(session.output, shown)


def _without(placement: Placement, nic: str) -> Placement:
    nics = {name: setting for name, setting in placement.nics.items() if name != nic}
    return msgspec.structs.replace(placement, nics=nics)
