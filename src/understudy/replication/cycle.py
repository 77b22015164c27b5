"""One cycle makes one recovery point: freeze → examine → commit → release.

`begin` ends with all of it durable but the record, `commit` appends that: in between several machines can wait for each other.
"""

import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import msgspec

from understudy.errors import Conflict, Fenced, IntegrityError, SecondWriter, SourceBusy, StateFailed, UnderstudyError
from understudy.finish import finish, finish_in_thread
from understudy.model import BLOCK_SIZE, Definition, Extents, Signatures
from understudy.replication.basis import Basis, basis_of, outgrown
from understudy.replication.draft import ALONE, Binding, Draft
from understudy.replication.examine import Examination, Examined, statistics
from understudy.replication.initial import SLICE_BLOCKS, InitialReplication
from understudy.replication.intent import added
from understudy.replication.local import LocalState
from understudy.replication.report import CycleProgress, CycleReport, Overall, ProgressSink
from understudy.replication.unchanged import unchanged
from understudy.replication.upload import take_back
from understudy.source.protocol import CRASH, DiskSource, Snapshot, Wish
from understudy.store.protocol import ObjectStore
from understudy.vault import names
from understudy.vault.kinds import ObjectRef, PackRef, Point
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.side_object import put_side_object
from understudy.vault.maps.checkpoint import due, take_checkpoint
from understudy.vault.maps.honest import honest
from understudy.vault.maps.parts import PointParts
from understudy.vault.maps.reader import large_disks
from understudy.vault.maps.reading import history_of
from understudy.vault.packs import pack_list
from understudy.vault.vault import Vault

PACKS_IN_RECORD = 256
"""More PackRefs than this (about 19 KiB of the record's 64) go into a side object."""

ENCODERS = 2
AT_ONCE: AbstractAsyncContextManager[object] = contextlib.nullcontext()


def ignore(_: CycleProgress) -> None:
    """For callers that do not watch."""


async def unannounced() -> None:
    """For callers that do not mind who claims."""


@dataclass(slots=True)
class Replicator:
    """Replicates one machine: `open` once, `cycle` as often as wished, `close`. The caller holds the machine's lock on this host."""

    vault: Vault
    log: MachineLog
    source: DiskSource
    directory: Path
    site: str
    slice_blocks: int = SLICE_BLOCKS
    claiming: Callable[[], Awaitable[None]] = unannounced
    """Awaited when nothing is in doubt and the log is about to be claimed; what it raises prevents that."""
    _local: LocalState = field(init=False)
    _threads: ThreadPoolExecutor = field(init=False)
    _initial: InitialReplication = field(init=False)
    _settled: bool = False
    _definition: tuple[Definition, ObjectRef] | None = None

    def __post_init__(self) -> None:
        self._local = LocalState(self.directory, self.log.machine_id, self.vault.access, self._unchanged)
        self._initial = InitialReplication(self.vault, self.log, self.source, self._local, self.slice_blocks)
        self._threads = ThreadPoolExecutor(ENCODERS, thread_name_prefix="encode")

    async def open(self) -> None:
        """Settle what an earlier run left in doubt, claim the log, clean up the source."""
        # First of all: a killed run's scratch files may be what leaves no room for the rest.
        await self.source.relieve()
        await self.log.settle()
        await self.claiming()
        await self.log.claim(self.site)
        await self._settle()

    async def close(self) -> None:
        """Let go of the source, files and threads; change tracking goes on."""
        await self.source.close()
        self._initial.close()
        self._local.close()
        self._threads.shutdown()

    async def cycle(self, progress: ProgressSink = ignore, wish: Wish = CRASH, *, final: bool = False) -> CycleReport:
        """Make one point. `final`: the machine has shut down, and no other follows. On any error none is visible and nothing is forgotten:
        the next cycle carries what this one would have.

        Only while it is not known whether the record was appended (`InDoubt`) both tracks are kept, until the next call settles it.
        """
        draft = await self.begin(progress, wish)
        return await self.commit(replace(draft, body=msgspec.structs.replace(draft.body, final=final)), progress)

    async def prepare(self, progress: ProgressSink = ignore) -> None:
        """All that may take long before a point of many changes can be frozen: most of an initial replication, in slices. `begin` does
        it, too, but whoever makes others wait in their freezes wants it done before."""
        await self._prepare(Overall(progress))

    async def seed(self, packs: ObjectStore, progress: ProgressSink = ignore) -> tuple[PackRef, ...]:
        """The whole of an initial replication into another store, under the names that its packs will have in the vault; all of them.

        No point is made: the next cycle is refused until every pack is in the vault, and makes it. Repeatable: what is there, stays.
        `Conflict` if there is a point already.
        """
        await self._settled_log()
        if self.log.state.newest is not None:
            raise Conflict(
                f"machine {self.log.state.name!r} has recovery points already, so there is no initial replication to be made",
                hint="a seed can be made of any of its points",
            )
        overall = Overall(progress)
        self._settled = False
        await self._approach(self._examination(overall, packs), overall, whole=True)
        return self._initial.packs

    async def begin(
        self,
        progress: ProgressSink = ignore,
        wish: Wish = CRASH,
        binding: Binding = ALONE,
        examining: AbstractAsyncContextManager[object] = AT_ONCE,
    ) -> Draft:
        """Freeze, examine and store. Call `commit` or `abandon` with the draft before anything else; on an error there is none.

        `examining` is held while the disks are read and packed, which takes memory.
        """
        began = time.monotonic()
        overall = Overall(progress)
        await self._prepare(overall)
        initial = self.log.state.newest is None
        progress(CycleProgress("freeze"))
        point, basis = secrets.token_bytes(16), self._basis()
        snapshot = await self.source.freeze(point.hex(), basis.base, replace(wish, view=initial))
        examination = self._examination(overall)
        try:
            if initial and outgrown(basis, [disk.info for disk in snapshot.disks]):
                raise SourceBusy("a disk was removed or shrunk during the initial replication, which begins anew")
            save = self._initial.saver(examination, overall) if initial else None
            async with examining:
                examined = await examination.run(snapshot, point, basis, save)
            if initial:
                await self._initial.complete()
            body = await self._body(snapshot, point, examined, time.monotonic() - began)
        except BaseException as error:
            await self._release(False, error)
            await examination.take_back()
            raise
        body = msgspec.structs.replace(body, group=binding.group, group_name=binding.name, members=binding.members)
        return Draft(body, examined.shipped.packs, snapshot.paused, snapshot.quiesced, began)

    async def abandon(self, draft: Draft, cause: BaseException) -> None:
        """Give up a draft because of `cause`: no point is made, and the next cycle carries its changes."""
        await self._release(False, cause)
        await finish(take_back(self.vault.store, self.log.machine_id, draft.uploaded))

    async def commit(self, draft: Draft, progress: ProgressSink = ignore) -> CycleReport:
        """Append the draft's record; on an error the draft is given up, or kept whole if it may exist (`InDoubt`)."""
        progress(CycleProgress("commit"))
        body = draft.body
        try:
            record = await finish(self.log.append(body))
        except (Fenced, SecondWriter) as error:
            await self._release(False, error)
            raise
        except BaseException as error:
            await self._release(None, error)
            if isinstance(error, StateFailed) and not self.log.in_doubt and not self._counts(body.id):
                # It could not be written down here that the record would be put, so it was not.
                await finish(take_back(self.vault.store, self.log.machine_id, draft.uploaded))
            raise
        committed_at = time.time_ns()
        # The point exists, whatever happens now; what fails here is repeated, and its error raised, by the next cycle's start.
        with contextlib.suppress(UnderstudyError):
            await finish(self.source.release(True))
            await finish_in_thread(partial(self._local.commit, body.id))
            await finish_in_thread(self._initial.over)
            self._settled = True
        return CycleReport(
            seq=record.seq,
            point=body.id.hex(),
            parent=body.parent.hex(),
            frozen_at=body.frozen_at,
            committed_at=committed_at,
            cause=body.cause,
            reason=body.reason,
            method=body.method,
            consistency=body.consistency,
            downgrade=body.downgrade,
            paused=draft.paused,
            quiesced=draft.quiesced,
            stats=body.stats,
            read=body.stats.scanned * BLOCK_SIZE,
            seconds=time.monotonic() - draft.began,
        )

    async def _settle(self) -> None:
        """Bring local files and the source to the newest committed point, whatever a dead run or a failed cycle left."""
        if self.log.state.newest is None:
            await finish_in_thread(self._initial.settle)
        basis = self._basis()
        # The source first: what was left there weighs on the guest.
        await self.source.recover(basis.base)
        await finish_in_thread(partial(self._local.settle, basis.id, frozenset(disk.id for disk in basis.disks)))
        if self.log.state.newest is not None:
            await finish_in_thread(self._initial.over)
        self._settled = True

    async def _settled_log(self) -> None:
        if not self._settled:
            await self.log.settle()
            await self._settle()

    async def _prepare(self, overall: Overall) -> None:
        await self._settled_log()
        newest = self.log.state.newest
        if newest is not None:
            await self._checkpoint(newest.point.id)
        self._settled = False
        if newest is None:
            overall(CycleProgress("freeze"))
            await self._initial.complete()
            await self._approach(self._examination(overall), overall)

    async def _approach(self, examination: Examination, overall: Overall, *, whole: bool = False) -> None:
        try:
            await self._initial.approach(examination, overall, whole=whole)
        except BaseException:
            await examination.take_back()
            raise

    def _unchanged(self, older: bytes, newer: bytes) -> bool:
        return unchanged(self.log.state.entries, older, newer)

    def _counts(self, point: bytes) -> bool:
        """Whether its record was read, or written: a state directory that vanishes at that moment tells of no doubt any more."""
        return any(entry.point.id == point for entry in self.log.state.entries)

    def _basis(self) -> Basis:
        newest = self.log.state.newest
        return basis_of(newest.point) if newest else self._initial.basis

    async def _release(self, committed: bool | None, cause: BaseException) -> None:
        """End the freeze after a failure. A failure here does not hide that one: the next cycle recovers the source first."""
        try:
            await finish(self.source.release(committed))
        except UnderstudyError as error:
            cause.add_note(f"then the source could not be released: {error}")

    async def _checkpoint(self, point: bytes) -> None:
        """Keep the reading of `point` bounded. Between cycles, so that its failure is never mistaken for a cycle's."""
        state = self.log.state
        if due(state.entries, {*state.maps, *(checkpoint.point for checkpoint in state.checkpoints)}, point):
            try:
                await self.log.append(await take_checkpoint(history_of(self.vault, self.log), point))
            except (Conflict, IntegrityError):
                # A repack came between: its maps are newer than what this was made of, which may be gone, and a shortcut can wait.
                await self.log.refresh()
                if self.log.state.repack == state.repack:
                    raise

    def _examination(self, progress: ProgressSink, packs: ObjectStore | None = None) -> Examination:
        access, store = self.vault.access, packs or self.vault.store
        return Examination(access, store, self.log.machine_id, self._local, self._threads, self._signatures_of_basis, progress)

    async def _signatures_of_basis(self, disk: bytes, proven: bool) -> AsyncIterator[tuple[Extents, Signatures]]:
        """What a signature file is rebuilt from."""
        history = history_of(self.vault, self.log)
        newest = self.log.state.newest
        if newest is None:
            newest = self._initial.entry
            if newest is None:
                return
            history = replace(history, points=(newest,), entries=(newest,), checkpoints=())
        if proven:
            history, _ = await honest(history)
        for large in large_disks(history, await PointParts.open(history, newest.point.id, {disk})):
            async with contextlib.aclosing(large.signatures()) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def _body(self, snapshot: Snapshot, point: bytes, examined: Examined, seconds: float) -> Point:
        newest = self.log.state.newest
        packs, stats = examined.shipped.packs, statistics(examined.tallies, examined.shipped, seconds)
        if newest is None:
            packs, stats = self._initial.packs + packs, added(self._initial.stats, stats)
        packs_in = None
        if len(packs) > PACKS_IN_RECORD:
            packs_in = await self._side_object(pack_list.PURPOSE, pack_list.encode_packs(packs))
            packs = ()
        return Point(
            id=point,
            parent=newest.point.id if newest else b"",
            generation=examined.lineage.generation,
            frozen_at=snapshot.frozen_at,
            consistency=snapshot.consistency,
            downgrade=snapshot.downgrade,
            method=snapshot.method,
            cause=examined.lineage.cause.value,
            reason=examined.lineage.reason,
            disks=examined.disks,
            packs=packs,
            packs_in=packs_in,
            inline=examined.shipped.inline,
            definition=await self._define(snapshot.definition),
            stats=stats,
        )

    async def _define(self, definition: Definition) -> ObjectRef:
        """Stored again only when it changed, or by a new run."""
        if self._definition is None or self._definition[0] != definition:
            self._definition = (definition, await self._side_object("definition", msgspec.json.encode(definition, order="sorted")))
        return self._definition[1]

    async def _side_object(self, purpose: str, data: bytes) -> ObjectRef:
        return await put_side_object(self.vault.store, self.vault.access, names.machine(self.log.machine_id), purpose, data)
