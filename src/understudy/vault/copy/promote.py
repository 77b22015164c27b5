"""Make a copy the vault. Every step is found done when it is said again, whatever was killed when."""

from collections.abc import Mapping
from typing import NamedTuple

from understudy.errors import Diverged, IntegrityError, NotFound, Unsupported
from understudy.vault import kinds, names
from understudy.vault.copy.leap import close_leaps, newest
from understudy.vault.copy.whole import Lack, lacks
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.record import MAX_RECORD, Head, decode_body, decode_envelope, open_record
from understudy.vault.log.state import MachineState
from understudy.vault.maps.points import PointEntry
from understudy.vault.vault import Vault

MOST_LATE = 500
"""Records after the promotion among which its own is looked for: where there are more, the log is in use."""


class Prospect(NamedTuple):
    """What a promotion would make of one machine.

    `state`: as the copy has it; None: it is not there. `lacks`: what its kept points would be read from, and is not there. `beyond`: so
    many records are known that the copy has not, of the vault itself or since this site has seen them. `points`: those of the vault that
    are among them; None: it could not be asked. `epoch`: the vault's; 0: it could not be asked.
    """

    machine_id: str
    name: str
    state: MachineState | None
    lacks: tuple[Lack, ...]
    beyond: int
    points: tuple[PointEntry, ...] | None
    epoch: int


async def read_logs(vault: Vault) -> tuple[list[MachineLog], dict[str, str]]:
    """Those that read, and why others (by machine) do not."""
    logs, damaged = list[MachineLog](), dict[str, str]()
    for machine_id in await vault.ids():
        try:
            logs.append(await vault.find(machine_id))
        except (IntegrityError, Unsupported) as error:
            damaged[machine_id] = error.message
    return logs, damaged


async def closed_logs(copy: Vault, promotion: bytes) -> tuple[list[MachineLog], dict[str, str]]:
    """As `read_logs`, and they leap no more. One that cannot be kept from it is among those that do not read."""
    logs, closed, damaged, unread = list[MachineLog](), set[str](), dict[str, str](), dict[str, str]()
    waiting = set(await copy.ids())
    while waiting:
        for machine_id in sorted(waiting):
            try:
                await close_leaps(copy.store, names.machine(machine_id), promotion)
                closed.add(machine_id)
            except (Diverged, IntegrityError, NotFound) as error:
                damaged[machine_id] = error.message
        logs, unread = await read_logs(copy)
        # The first record of another may have been copied there meanwhile.
        waiting = {log.machine_id for log in logs} - closed - damaged.keys()
    return [log for log in logs if log.machine_id not in damaged], unread | damaged


async def close_log(vault: Vault, log: MachineLog, after: int, promotion: str) -> None:
    """Take the place after record `after` with which the log was promoted, and which whoever still copies from the former vault might
    fill; or, if such a record came over just then, the one behind it. Nothing happens if that was done."""
    await log.settle()
    owner, head = names.machine(log.machine_id), log.head.seq
    for seq in range(after + 1, min(head, after + MOST_LATE) + 1):
        try:
            data = bytes(await vault.store.get(names.record(owner, seq), 0, MAX_RECORD + 1))
        except NotFound:  # trimmed since
            return
        opened = open_record(vault.access, owner, seq, b"", data)
        body = decode_body(decode_envelope(opened, owner), seq, owner) if opened.signer else None
        if isinstance(body, kinds.Note) and promotion in body.text:
            return
    if head <= after + MOST_LATE:
        await log.append(kinds.Note(text=f"copy {promotion} of this vault was promoted: this log goes on here"))


async def prospects(copy: Vault, seen: Mapping[str, Head], vault: Vault | None) -> list[Prospect]:
    """`seen`: this site's marks, by log. `vault`: the one that the copy is of, where it can be read. By name."""
    readable, damaged = await read_logs(copy)
    logs = {log.machine_id: log for log in readable}
    others = {state.id: state for state in await vault.readable(await vault.ids())} if vault is not None else {}
    ends = {}
    if vault is not None:
        ends = {log.machine_id: log.head.seq for log in await vault.logs(others.keys())}
    prefix = names.MACHINES
    known = {owner.removeprefix(prefix): head.seq for owner, head in seen.items() if owner.startswith(prefix)}
    found = []
    for machine_id in logs.keys() | damaged.keys() | others.keys() | known.keys():
        log, other = logs.get(machine_id), others.get(machine_id)
        head = log.head.seq if log is not None else 0
        found.append(
            Prospect(
                machine_id=machine_id,
                name=log.state.name if log is not None else other.name if other is not None else "",
                state=log.state if log is not None else None,
                lacks=await _lacks(copy, log) if log is not None else _unreadable(machine_id, damaged),
                beyond=max(known.get(machine_id, 0), ends.get(machine_id, 0)) - head,
                points=tuple(entry for entry in other.points if entry.seq > head) if other is not None else None,
                epoch=other.epoch if other is not None else 0,
            )
        )
    return sorted(found, key=lambda prospect: (prospect.name, prospect.machine_id))


async def _lacks(copy: Vault, log: MachineLog) -> tuple[Lack, ...]:
    owner, found = names.machine(log.machine_id), await lacks(copy, log)
    try:
        await newest(copy.store, owner)
    except (Diverged, IntegrityError, NotFound) as error:
        return (Lack(names.leaps(owner), error.message), *found)
    return found


def _unreadable(machine_id: str, damaged: Mapping[str, str]) -> tuple[Lack, ...]:
    return (Lack(names.log(names.machine(machine_id)), damaged[machine_id]),) if machine_id in damaged else ()
