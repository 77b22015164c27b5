"""Bring a copy of a vault on: settings first, then machines, each record behind all that it names. Said again it goes on.

Nothing is concluded from what the vault lacks, and nothing is appended: every record of the copy is one of the vault's, byte for byte.
"""

from bisect import bisect_right
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from understudy.errors import IntegrityError
from understudy.store.protocol import ObjectStore
from understudy.vault import kinds, names
from understudy.vault.collect.placed import look as look_at
from understudy.vault.copy.ferry import Ferry, Gone
from understudy.vault.copy.leap import Leap
from understudy.vault.copy.place import must_be_copy
from understudy.vault.copy.slots import carry_slots
from understudy.vault.copy.trail import WINDOW, Missing, Record, Trail
from understudy.vault.copy.wanted import Wanted, named_by, older, pack, side
from understudy.vault.copy.wanted import checkpoint as itself
from understudy.vault.kinds import Checkpoint
from understudy.vault.log.lists import MAPS, decode_maps
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.side_object import get_side_object
from understudy.vault.log.state import MachineState
from understudy.vault.maps.checkpoint_read import CheckpointDamaged, read_directory
from understudy.vault.maps.diskmap import PackTable
from understudy.vault.maps.points import PointEntry
from understudy.vault.maps.reading import history_of
from understudy.vault.packs.pack_list import PURPOSE, decode_packs
from understudy.vault.vault import Vault

TRIES = 3
"""How often a round of a machine begins anew because what it wanted was condemned or trimmed meanwhile."""


class Reached(NamedTuple):
    """`head`: the copy's last record of the machine's log. `point`: the newest that the copy has, of those that are kept. `behind`: so
    many are newer; `lag`: the newest was frozen so many seconds later than `point`, or None where the copy has none."""

    head: int
    point: PointEntry | None
    behind: int
    lag: float | None


class Copier:
    """From one vault into one copy. One round at a time; several sites may be at it at once."""

    def __init__(self, vault: Vault, target: ObjectStore) -> None:
        self.vault = vault
        self.ferry = Ferry(vault.store, target)
        self._settings = Trail(self.ferry, vault.access, names.SETTINGS)
        self._machines: dict[str, _Machine] = {}

    async def settings(self, *, slots: bool = True) -> None:
        """The settings log, and the key slots. Before the machines of the same round, and after their logs were read."""
        await must_be_copy(self.vault, self.ferry.target)
        head = (await self.vault.refreshed_settings()).seq
        await self._settings.find(head)
        await self._settings.go_on(head, self._bring_settings)
        if slots:
            await carry_slots(self.ferry, self.vault.settings)

    async def machine(self, log: MachineLog, head: int = 0) -> Reached:
        """`log` was read before the settings were copied, up to record `head` (0: all that it has now): the rest is another round's."""
        return await self._of(log).run(log, head)

    def forget(self, log: MachineLog) -> None:
        """After a failure: what is there is looked at again."""
        self._machines.pop(log.machine_id, None)

    def _of(self, log: MachineLog) -> "_Machine":
        if log.machine_id not in self._machines:
            self._machines[log.machine_id] = _Machine(self.vault, self.ferry, log.machine_id, self._settings_again)
        return self._machines[log.machine_id]

    async def _settings_again(self) -> None:
        await self.settings(slots=False)

    async def _bring_settings(self, records: Sequence[Record]) -> None:
        found = [one for record in records if record.body is not None for one in named_by(names.SETTINGS, record.body)]
        await self.ferry.bring(found, look=True)


def reached(state: MachineState, head: int) -> Reached:
    """How far a copy whose log ends with record `head` has come. Pure."""
    there = bisect_right(state.points, head, key=lambda entry: entry.seq)
    if not there:
        return Reached(head, None, len(state.points), None)
    point, newest = state.points[there - 1], state.points[-1]
    return Reached(head, point, len(state.points) - there, max(newest.point.frozen_at - point.point.frozen_at, 0) / 1e9)


class _Machine:
    def __init__(self, vault: Vault, ferry: Ferry, machine_id: str, settings: Callable[[], Awaitable[None]]) -> None:
        self._settings = settings
        self._vault = vault
        self._ferry = ferry
        self._owner = names.machine(machine_id)
        self._id = machine_id
        self.trail = Trail(ferry, vault.access, self._owner)
        self._pages: set[tuple[bytes, int]] = set()
        self._maps: set[str] = set()
        self._laid = frozenset[str]()
        """Of `_maps`, those that the newest repack's are made of."""
        self._sure = False
        """All that was brought on by this process, so that what is new is not there yet."""

    async def run(self, log: MachineLog, head: int) -> Reached:
        for _ in range(TRIES - 1):
            try:
                return await self._run(log, head or log.head.seq)
            except (Gone, Missing):
                self._sure, self.trail.end = False, None
                head = await self._to_the_end(log)
        return await self._run(log, head)

    async def _run(self, log: MachineLog, head: int) -> Reached:
        end = await self.trail.find(head)
        if not end.seq:
            await self.trail.go_on(min(1, head), _Round(self, log, head).bring)
        if end.seq < log.state.trimmed or not await self._one_by_one(log, head):
            await self._at_once(log)
        self._sure = True
        assert self.trail.end is not None
        return reached(log.state, self.trail.end.seq)

    async def _one_by_one(self, log: MachineLog, head: int) -> bool:
        """False if that would end with points in the copy that are not whole, since what they need was condemned since: none of the
        records from there on was copied."""
        work = _Round(self, log, head)

        async def bring(records: Sequence[Record]) -> None:
            await work.bring(records)
            if work.left_out:
                raise _NotWhole

        try:
            await self.trail.go_on(head, bring)
        except _NotWhole:
            return False
        return True

    async def _at_once(self, log: MachineLog) -> None:
        """To the end of the log as it is now, or what was trimmed of it: all that is needed there comes first, and nothing is seen of the
        records between before all of them can be read."""
        head = await self._to_the_end(log)
        work, end = _Round(self, log, head), await self.trail.find(head)
        first = max(end.seq, log.state.trimmed) + 1
        if first > head:
            return
        if log.state.trimmed > end.seq:
            await work.bring_base()
        for window in range(first, head + 1, WINDOW):
            records = await self.trail.read(window, min(window + WINDOW - 1, head))
            await work.bring(records)
            await self.trail.stage(records)
        if not await self.trail.leap(Leap(first=first, last=head)):
            raise Missing(f"the copy's {self._owner} was brought on by somebody else meanwhile", hint="it goes on with the next round")

    async def _to_the_end(self, log: MachineLog) -> int:
        """Who is trusted, as the settings say, is copied after the log was read."""
        await log.refresh()
        await self._settings()
        return log.head.seq


class _NotWhole(Exception):
    """Between two calls here alone."""


class _Round:
    """What records name, up to record `head`: what was condemned until then is left out. `left_out`: something was that points may be
    read from."""

    def __init__(self, machine: _Machine, log: MachineLog, head: int) -> None:
        self.left_out = False
        self._machine = machine
        self._log = log
        self._ferry = machine._ferry
        self._vault = machine._vault
        condemned = (each for each in log.state.condemned if each.seq <= head)
        self._condemned = frozenset(f"{machine._owner}/{name}" for each in condemned for name in each.names)
        self._void = frozenset(void.seq for void in log.state.void)
        self._kept = frozenset(entry.point.id for entry in log.state.points)

    async def bring(self, records: Sequence[Record]) -> None:
        look = not self._machine._sure
        for record in records:
            if record.body is not None and record.seq not in self._void:
                await self._bring_lists(record.body, look=look)
        own = [one for record in records if record.seq not in self._void and record.body is not None for one in self._own(record.body)]
        await self._ferry.bring(own, look=look)

    async def bring_base(self) -> None:
        """What a reader needs that begins at the newest trim: the newest repack's maps, and what the records before named."""
        refs = [side(self._machine._owner, ref) for ref in self._log.refs]
        await self._ferry.bring(self._stays(refs), look=True)
        await self._bring_maps(self._log.state.maps.values(), look=True)
        await self._ferry.bring(self._stays(await self._packs_of_lists()), look=True)

    async def _packs_of_lists(self) -> list[Wanted]:
        found: list[Wanted] = []
        for entry in self._log.state.entries:
            found += await self._listed(entry.point)
        return found

    def _own(self, body: kinds.Body) -> list[Wanted]:
        return self._stays(named_by(self._machine._owner, body))

    async def _bring_lists(self, body: kinds.Body, *, look: bool) -> None:
        match body:
            case kinds.Point(packs_in=kinds.ObjectRef()):
                await self._ferry.bring(self._stays(await self._listed(body)), look=look)
            case kinds.Checkpoint():
                await self._bring_shortcut(body, look=look)
            case kinds.Repack(maps=ref) if not self._gone(side(self._machine._owner, ref)):
                data = await self._side(MAPS, ref)
                await self._bring_maps(decode_maps(data), look=look)

    async def _listed(self, point: kinds.Point) -> list[Wanted]:
        ref = point.packs_in
        if ref is None or self._gone(side(self._machine._owner, ref)):
            return []
        return [pack(self._machine._id, each) for each in decode_packs(await self._side(PURPOSE, ref))]

    async def _bring_shortcut(self, checkpoint: Checkpoint, *, look: bool) -> None:
        """A source's checkpoint: where it is damaged, readers do without, and so does the copy."""
        if itself(self._machine._id, checkpoint).name in self._condemned:
            return
        try:
            made_of = await self._bring_objects(checkpoint, look=look)
        except CheckpointDamaged:
            return
        # The next is made of these and itself: a daemon that runs for years remembers no more.
        self._machine._maps = {*self._machine._laid, *made_of}

    async def _bring_maps(self, maps: Collection[Checkpoint], *, look: bool) -> None:
        """Of an operator's repack: the truth about points. Packs that only it tells of come with it."""
        history, table, made_of = history_of(self._vault, self._log), PackTable(), set[str]()
        for checkpoint in maps:
            if self._gone(itself(self._machine._id, checkpoint)):
                continue
            try:
                made_of |= await self._bring_objects(checkpoint, look=look)
                await look_at(history, checkpoint, table, self._machine._pages)
            except CheckpointDamaged:
                if checkpoint.point in self._kept:
                    raise
        named = {each.id for entry in self._log.state.entries for each in entry.point.packs}
        moved = [
            Wanted(names.pack(self._machine._id, found.id.hex()), found.size, found.hash)
            for found in table.packs
            if not found.seq and (look or found.id not in named)
        ]
        await self._ferry.bring(self._stays(moved), look=True)
        self._machine._laid = frozenset(made_of)
        self._machine._maps = set(made_of)
        self._machine._pages = {page for page in self._machine._pages if names.checkpoint(self._machine._id, page[0].hex()) in made_of}

    async def _bring_objects(self, checkpoint: Checkpoint, *, look: bool) -> set[str]:
        """The names of all that its pages are in."""
        directory = await read_directory(history_of(self._vault, self._log), checkpoint)
        made_of = [*(older(self._machine._id, found) for found in directory.objects if found.id != checkpoint.id)]
        made_of.append(itself(self._machine._id, checkpoint))
        await self._ferry.bring(self._stays(one for one in made_of if one.name not in self._machine._maps), look=look)
        found = {one.name for one in made_of}
        self._machine._maps |= found
        return found

    async def _side(self, purpose: str, ref: kinds.ObjectRef) -> bytes:
        try:
            return await get_side_object(self._vault.store, self._vault.access, self._machine._owner, purpose, ref)
        except IntegrityError as error:
            if await self._vault.store.head(names.side_object(self._machine._owner, ref.hash.hex())) is None:
                raise Gone(error.message, hint=error.hint) from error
            raise

    def _stays(self, wanted: Iterable[Wanted]) -> list[Wanted]:
        return [one for one in wanted if not self._gone(one)]

    def _gone(self, wanted: Wanted) -> bool:
        gone = wanted.name in self._condemned
        self.left_out |= gone
        return gone
