"""A machine's log worth trimming, seen from two sites."""

from dataclasses import dataclass
from pathlib import Path

from tests.faults import FaultyStore
from tests.vault.worlds import QUICK, UNLOCK, a_point
from understudy.vault import kinds, names
from understudy.vault.log.keeping import needed
from understudy.vault.log.lists import MAPS, encode_maps
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.side_object import put_side_object
from understudy.vault.vault import Vault


async def add_points(log: MachineLog, count: int) -> None:
    for _ in range(count):
        newest = log.state.newest
        await log.append(a_point(None, newest.point.id if newest else b"", inline=b"inline"))


async def repack(vault: Vault, log: MachineLog) -> None:
    """As if the maps had been made: nobody reads them here. A prune may have taken the point at which the last one was made."""
    state = log.state
    horizon = max(state.points[-2].seq, state.horizon)
    entries = needed(state.entries, state.dropped, horizon)
    maps = [kinds.Checkpoint(point=entry.point.id, id=entry.point.id, size=1, directory=(0, 1)) for entry in entries]
    ref = await put_side_object(vault.store, vault.access, names.machine(log.machine_id), MAPS, encode_maps(maps))
    await log.append(kinds.Repack(horizon=horizon, maps=ref))


async def sweep(log: MachineLog) -> int:
    """Of the newest trim, as if its grace had passed; how many records went."""
    await log.refresh()
    return (await log.sweep(log.state.trims[-1]))[0] if log.state.trims else 0


@dataclass
class World:
    store: FaultyStore
    vault: Vault
    log: MachineLog
    other: MachineLog
    """The same log at another site, which has read on to somewhere in what is trimmed."""
    directory: Path

    async def fresh(self) -> MachineLog:
        return await (await Vault.open(self.store, UNLOCK, None, patience=QUICK)).find("web")

    async def must_agree(self) -> None:
        """This site, a new reader, and one that knew only the beginning say the same."""
        await self.log.refresh()
        fresh = await self.fresh()
        await self.other.refresh()
        assert fresh.state == self.log.state == self.other.state
        assert fresh.head == self.log.head == self.other.head

    def numbers(self) -> list[int]:
        log = self.directory / "vault" / names.log(names.machine(self.log.machine_id))
        return sorted(int(path.name) for path in log.iterdir())


async def world_of(store: FaultyStore, vault: Vault, tmp_path: Path) -> World:
    log = await vault.protect("web", "here")
    await log.claim("here")
    await add_points(log, 4)
    other = await (await Vault.open(store, UNLOCK, tmp_path / "other", patience=QUICK)).find("web")
    await log.append(kinds.Retention(daily=7))
    await add_points(log, 3)
    first, second, third = (entry.point.id for entry in log.state.points[:3])
    await log.append(kinds.Hold(id=b"h" * 16, point=first, reason="drill"))
    await log.append(kinds.Verified(point=third))
    await log.append(kinds.Prune(points=(second,)))
    await add_points(log, 3)
    await log.append(kinds.Prune(points=(third,)))
    await repack(vault, log)
    return World(store, vault, log, other, tmp_path)
