"""A machine's log: its state, and appending to it under the rules that make it the fence."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from understudy.errors import AccessDenied, Conflict, IntegrityError, NotFound, Unsupported
from understudy.vault import kinds, names
from understudy.vault.keys.identity import Bundle
from understudy.vault.kinds import Body
from understudy.vault.log import fencing
from understudy.vault.log.anchor import find_anchor, listed
from understudy.vault.log.attached import attached
from understudy.vault.log.base_log import BaseLog
from understudy.vault.log.chain import Place, clock
from understudy.vault.log.fencing import Writer
from understudy.vault.log.fold import Folder, fold
from understudy.vault.log.judge import Record, judge
from understudy.vault.log.keeping import NOTHING, Attached
from understudy.vault.log.recent import Recent
from understudy.vault.log.record import MAX_RECORD, Head, Opened, decode_body, decode_envelope, open_record, record_hash
from understudy.vault.log.rights import Log
from understudy.vault.log.settings import must_take_records
from understudy.vault.log.settings_log import SettingsLog
from understudy.vault.log.side_object import get_side_object, put_side_object
from understudy.vault.log.state import MachineState
from understudy.vault.log.trim_state import PURPOSE, Trimmed, decode_state, encode_state

TRIES = 5
"""How often a trim is held against the log, which others change meanwhile."""


class MachineLog(BaseLog):
    """One machine's log, read to its end when it was opened; `refresh` reads on.

    `append` raises `Fenced`, `SecondWriter`, `AccessDenied`, `Conflict` (nothing was written), `InDoubt` (unknown; call `settle`),
    `StoreUnavailable`, `StoreRefused` (nothing of ours was written), `IntegrityError` and `RolledBack`.
    """

    def __init__(self, place: Place, machine_id: str, bundle: Bundle, writer: bytes, settings: SettingsLog) -> None:
        super().__init__(place, names.machine(machine_id), bundle, writer)
        self.machine_id = machine_id
        self._settings = settings
        self._trusted = settings.state.revision
        self._folder = Folder(machine_id)
        self._hashes: dict[int, bytes] = {}
        self._refs: dict[bytes, kinds.ObjectRef] = {}
        self._inline = Recent()
        self._state = self._folder.state()
        self._me = Writer(writer, bundle.role)
        self._claiming: tuple[int, bool] | None = None
        self._appending: tuple[Body | None, Attached] = (None, NOTHING)

    @property
    def state(self) -> MachineState:
        """As of the last record that was read."""
        return self._state

    @property
    def hashes(self) -> Mapping[int, bytes]:
        """Of the records that were read, by number."""
        return self._hashes

    @property
    def refs(self) -> tuple[kinds.ObjectRef, ...]:
        """The side objects that the records which are not trimmed name, and those that they build on, each once."""
        named = self._state.named
        return tuple(ref for ref in self._refs.values() if named is None or ref.hash in named)

    async def claim(self, site: str, *, adopt: bool = False) -> Record:
        """Become the writer of the present epoch; whoever was it before gets `SecondWriter` on its next append.

        After a failover only the site that the machine was failed over to may claim: any other gets `Fenced`. `adopt`: an operator
        moves the machine to this site without a failover.
        """
        await self.settle()
        self._claiming = (self._state.epoch, adopt)
        return await self._append(kinds.Claim(site=site))

    async def append(self, body: Body, still: Callable[[MachineState], None] | None = None) -> Record:
        """Append one record. A claim goes by `claim`.

        `still` raises if the body is wrong in this state. It is asked for the state right before the slot that is tried, each time.
        """
        return await self._append(body) if still is None else await self._append(body, lambda: still(self._state))

    async def must_admit(self, body: Body) -> None:
        """Read on, and raise what `append` would raise without writing anything."""
        await self.refresh()
        await self._check(body)

    async def trim(self, up_to: int, *, grace: int, still: Callable[[MachineState], None] | None = None) -> Record:
        """Let the records up to `up_to`, but for the first, go; `sweep` deletes them when `grace` seconds have passed.

        A repack must have the maps of all points there that matter. The caller answers for two things that the log does not tell:
        no such map places a pack inline in one of these records, and no condemnation there waits to be carried out, since nobody
        will know of it. `still` is asked as by `append`. `Conflict` for a number that is too high, or trimmed already.
        """
        await self.refresh()
        repack, maps = self._state.repack, self._state.maps
        ref: kinds.ObjectRef | None = None

        def unmoved(now: MachineState) -> None:
            if still is not None:
                still(now)
            if now.repack != repack:
                raise Conflict(f"another repack of {self._chain.owner} came first", hint="trim again")
            if ref is not None and now.condemns(ref):
                raise Conflict("the state that the trim would name was condemned as garbage meanwhile", hint="trim again")

        twin = self._twin()
        await twin._follow(up_to)
        if twin.head.seq != up_to:
            await self.refresh()
            unmoved(self._state)
            raise Conflict(f"record {up_to} of {self._chain.owner} is trimmed already, or was never written")
        state = encode_state(twin._folder.trim_state(maps))
        place = self._place
        ref = await put_side_object(place.store, place.access, self._chain.owner, PURPOSE, state, place.patience)
        return await self.append(kinds.Trim(up_to=up_to, hash=twin.head.hash, state=ref, grace=grace), unmoved)

    async def sweep(self, trim: Trimmed) -> tuple[int, int]:
        """Delete the records that `trim` speaks of; the caller has waited its grace out. How many went, and their bytes.

        Killed at any moment it may be said again. `IntegrityError`, and nothing is deleted, unless who begins at the trim learns
        exactly what the whole log says. Nothing is done where a newer trim has taken its place: that has a grace of its own.
        """
        if not await self._proven(trim):
            return 0, 0
        gone = [(number, size) for number, size in await listed(self._place, self._chain.owner, 1) if number <= trim.up_to]
        for number, _ in gone:  # one after the other: that is how a writer knows whether its slot was ever emptied
            await self._place.store.delete(names.record(self._chain.owner, number))
        return len(gone), sum(size for _, size in gone)

    async def _proven(self, trim: Trimmed) -> bool:
        """False if a newer trim speaks of this one's own record."""
        for _ in range(TRIES):
            await self.refresh()
            if trim not in self._state.trims:
                return False
            twin = self._twin()
            state = decode_state(await get_side_object(self._place.store, self._place.access, self._chain.owner, PURPOSE, trim.state))
            twin._begin(Head(trim.up_to, trim.hash), Folder.resume(self.machine_id, state))
            # Both to the same record, whatever is appended meanwhile; they may yet differ by a key that was taken away in between,
            # or since the records were swept by somebody else.
            await twin._follow(self.head.seq)
            if twin.head == self.head and twin._folder.state() == self._state:
                return True
        raise IntegrityError(
            f"what record {trim.seq} of {self._chain.owner} says of the records before is not what they say: nothing was deleted",
            hint="please report it: the records that were to go are still there",
        )

    def _twin(self) -> "MachineLog":
        return MachineLog(self._place, self.machine_id, self._bundle, self._writer, self._settings)

    async def beside(self) -> "MachineLog":
        """Another one for reading, to the end of the log, that takes over what this one has read: only what came after it is fetched.

        What this one read was proven then, and its last record must be the same still, or else trimmed. Whether every record before
        that can still be read is not looked at again. Nothing happens to this one, whatever it is in the middle of.
        """
        other = self.aside()
        await other._chain.must_stand()
        await other.refresh()
        return other

    def aside(self) -> "MachineLog":
        """Another one that has read what this one has."""
        other = self._twin()
        other._trusted, other._folder, other._state = self._trusted, self._folder.copy(), self._state
        other._hashes, other._refs = self._hashes.copy(), self._refs.copy()
        other._chain.stand_with(self._chain)
        other._known_at, other._whole_at = self._known_at, self._whole_at
        return other

    def ahead_of(self, other: "MachineLog") -> bool:
        """Whether it has read what `other` has not, or knows better who is trusted."""
        return (self.head.seq, self._trusted) > (other.head.seq, other._trusted)

    async def behind(self) -> bool:
        """Whether reading on may tell something new: the log does not end any more with the last record that was read, or who is trusted
        has changed. A few requests, all at once."""
        at = clock()
        ends_here, _ = await asyncio.gather(self._chain.ends_here(), self._settings.refresh())
        if not ends_here or self._settings.state.revision != self._trusted:
            return True
        self._known_at, self._whole_at = max(at, self._known_at), max(at, self._whole_at)
        return False

    async def grew(self) -> bool:
        """Whether there is a record after the last that was read: one request. It tells less than `behind`: not whether what was read is
        still there, nor who is trusted by now."""
        at = clock()
        if await self._chain.goes_on():
            return True
        self._known_at = max(at, self._known_at)
        return False

    async def opened_as(self) -> str:
        """The machine's name, from its first record alone; empty if that is missing, damaged, or does not count."""
        try:
            data = bytes(await self._place.store.get(names.record(self._chain.owner, 1), 0, MAX_RECORD + 1))
            opened = open_record(self._place.access, self._chain.owner, 1, Head().hash, data)
            return fold(self.machine_id, [self._judge(opened)]).name
        except (NotFound, IntegrityError, Unsupported):
            return ""

    async def inline(self, seq: int) -> bytes:
        """The pack that travels in the point of record `seq`; empty if none does."""
        if seq not in self._hashes:
            raise NotFound(f"machine {self._state.name!r} has no record {seq}")
        pack = self._inline.get(seq)
        if pack is None:
            try:
                data = bytes(await self._place.store.get(names.record(self._chain.owner, seq), 0, MAX_RECORD + 1))
            except NotFound as error:
                raise IntegrityError(
                    f"record {seq} of {self._chain.owner} is gone since the log was read",
                    hint="if the log was trimmed meanwhile, try again",
                ) from error
            if record_hash(data) != self._hashes[seq]:
                raise IntegrityError(f"record {seq} of {self._chain.owner} is not what it was when the log was read")
            envelope = decode_envelope(open_record(self._place.access, self._chain.owner, seq, b"", data), self._chain.owner)
            body = decode_body(envelope, seq, self._chain.owner)
            pack = body.inline if isinstance(body, kinds.Point) else b""
            self._inline.put(seq, pack)
        return pack

    async def _must_be_the_vault(self) -> None:
        await self._settings.must_be_the_vault()

    async def _prepare(self) -> None:
        await self._settings.refresh()
        if self._settings.state.revision != self._trusted:
            # Somebody was added or revoked: what counts may be something else now, from the first record on.
            self._trusted = self._settings.state.revision
            self._begin(Head(), Folder(self.machine_id))
            await self._read_on()

    async def _anchor(self) -> bool:
        anchor = await find_anchor(self._place, self._chain.owner, self._judge, self.head.seq)
        if anchor is not None:
            self._begin(anchor.head, Folder.resume(self.machine_id, anchor.state))
            bodies = [anchor.state.definition, *(kept.point for kept in anchor.state.points)]
            self._refs.update((ref.hash, ref) for body in bodies if body is not None for ref in kinds.refs_of(body))
        return anchor is not None

    def _begin(self, head: Head, folder: Folder) -> None:
        self._chain.begin(head)
        self._folder = folder
        self._hashes.clear()
        self._refs.clear()
        self._gaps.clear()

    async def _take(self, opened: Opened) -> Record:
        record = self._judge(opened)
        record = replace(record, void=self._folder.take(record, await self._attached(record.body)))
        self._hashes[opened.seq] = opened.hash
        if record.body is not None:
            self._refs.update((ref.hash, ref) for ref in kinds.refs_of(record.body))
        if (
            isinstance(record.body, kinds.Claim)
            and not record.void
            and (record.signer, record.writer) == (self._bundle.public, self._me.id)
        ):
            # Seen here, it counts whatever failed on the way since it was written.
            self._me = Writer(self._me.id, self._me.role, max(record.epoch, self._me.claimed or 0), record.body.site)
        if isinstance(record.body, kinds.Point):
            self._inline.put(opened.seq, record.body.inline)
        return record

    def _miss(self) -> None:
        self._folder.miss()

    async def _attached(self, body: Body | None) -> Attached:
        if body is not None and self._appending[0] == body:
            return self._appending[1]  # once its record is written, nothing may fail any more
        # Long lists of packs only where a condemnation could have met one: no other point pays for it.
        return await attached(self._place, self._chain.owner, body, packs=self._folder.condemning)

    def _judge(self, opened: Opened) -> Record:
        settings = self._settings.state
        return judge(opened, self._chain.owner, Log.MACHINE, lambda signer, seq: settings.in_machine(self.machine_id, signer, seq))

    def _taken(self) -> None:
        self._state = self._folder.state()

    async def _check(self, body: Body) -> None:
        must_take_records(self._settings.state, self._place.copy)
        role, reason = self._settings.state.in_machine(self.machine_id, self._bundle.public, self.head.seq + 1)
        if role is None:
            raise AccessDenied(reason, hint="this credential was withdrawn; an operator can add a new key")
        if isinstance(body, kinds.Claim):
            epoch, adopt = self._claiming or (0, False)
            fencing.check_claim(self._state, role, body.site, epoch=epoch, adopt=adopt)
        fencing.check(self._state, body, self._me)
        said = await attached(self._place, self._chain.owner, body, packs=self._folder.condemning)
        self._appending = body, said
        if said.lost:
            raise IntegrityError(f"a {body.kind} cannot be appended: {said.lost}")
        if isinstance(body, kinds.Point) and self._folder.lost_list:
            raise IntegrityError(
                f"what may not be used any more cannot be told: {self._folder.lost_list}",
                hint="restore this object from a copy of the vault",
            )
        reason = self._folder.refusal(body, said)
        if reason:
            raise Conflict(f"a {body.kind} would not count: {reason}")

    def _epoch(self) -> int:
        return max(1, self._state.epoch)
