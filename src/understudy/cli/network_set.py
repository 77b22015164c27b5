"""`understudy network set`."""

from typing import Any, Literal

import click
import msgspec

from understudy.cli.completing import machine_names
from understudy.cli.network_words import networks_told
from understudy.cli.session import Session, asking
from understudy.engine import PLACES, NicSetting, Placement, checked_networks
from understudy.engine.units import bytes_of
from understudy.errors import InvalidRequest

_OF_A_CARD = "--to, --mac, --address, --gateway and --dns"


@click.command("set")
@click.argument("name", shell_complete=machine_names)
@click.option("--nic", metavar="NIC", help="The network card, by its name in the machine's definition; the options down to --dns are its.")
@click.option("--test", is_flag=True, help="In a test; without it, in a failover.")
@click.option("--to", "network", metavar="PLACE", help=f"What it is joined to: {PLACES}.")
@click.option("--mac", metavar="MAC", help="Its address: keep, new, or one such as 52:54:00:12:34:56.")
@click.option("addresses", "--address", multiple=True, metavar="IP", help="An IP address for the guest, as 10.0.0.5/24; may be repeated.")
@click.option("--gateway", metavar="IP", help="The guest's default gateway by this card.")
@click.option("servers", "--dns", multiple=True, metavar="IP", help="A name server for the guest; may be repeated.")
@click.option("--no-address", is_flag=True, help="Give the guest none: it has its own, or asks by DHCP.")
@click.option("--uuid", type=click.Choice(["keep", "new"]), help="Whether the machine has the UUID of its original.")
@click.option("--name", "new_name", metavar="NAME", help="Its name here; '' for that of its definition.")
@click.option("--cpus", type=click.IntRange(0, 4096), metavar="N", help="Processors here; 0: as in its definition.")
@click.option("--memory", metavar="BYTES", help="Memory here, such as 4GiB; 0: as in its definition.")
@asking
async def command(
    session: Session,
    name: str,
    nic: str | None,
    test: bool,
    network: str | None,
    mac: str | None,
    addresses: tuple[str, ...],
    gateway: str | None,
    servers: tuple[str, ...],
    no_address: bool,
    uuid: Literal["keep", "new"] | None,
    new_name: str | None,
    cpus: int | None,
    memory: str | None,
) -> None:
    """Say how machine NAME comes up on this site. What is not named stays as it is.

    \b
      understudy network set web --nic net0 --to bridge:br0 --address 10.1.0.5/24 --gateway 10.1.0.1 --dns 10.1.0.2
      understudy network set web --nic net0 --test --to bridge:lab
      understudy network set web --memory 2GiB --cpus 2

    A failover keeps MAC addresses and UUID, a test takes new ones, unless it is said otherwise here.
    """
    card: dict[str, Any] = {field: value for field, value in {"network": network, "mac": mac}.items() if value is not None}
    if no_address and (addresses or gateway or servers):
        raise InvalidRequest("--no-address excludes --address, --gateway and --dns")
    if no_address:
        card |= {"addresses": (), "gateway": "", "servers": ()}
    if addresses:
        # A gateway of other addresses would seldom be theirs.
        card |= {"addresses": addresses, "gateway": "", "servers": ()}
    card |= {field: value for field, value in {"gateway": gateway, "servers": servers or None}.items() if value is not None}
    if bool(card) != (nic is not None):
        raise InvalidRequest(f"{_OF_A_CARD} are of a network card", hint="name it with --nic, and what it is to have")
    changes: dict[str, Any] = {field: value for field, value in {"name": new_name, "cpus": cpus}.items() if value is not None}
    if memory is not None:
        changes["memory"] = bytes_of(memory)
    if not (card or changes or uuid):
        raise InvalidRequest("nothing says what should change", hint="name it, such as --nic net0 --to bridge:br0")
    async with session.daemon.opened() as service:
        own = (await service.networks(name)).own
        kind = "test" if test else "failover"
        placement: Placement = getattr(own, kind)
        if nic is not None:
            setting = msgspec.structs.replace(placement.nics.get(nic, NicSetting()), **card)
            placement = msgspec.structs.replace(placement, nics={**placement.nics, nic: setting})
        if uuid is not None:
            placement = msgspec.structs.replace(placement, uuid=uuid)
        shown = await service.set_networks(name, checked_networks(msgspec.structs.replace(own, **changes, **{kind: placement})))
    session.output.document(shown)
    networks_told(session.output, shown)
