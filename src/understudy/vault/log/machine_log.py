"""A machine's log: its state, and appending to it under the rules that make it the fence."""

from collections.abc import Callable
from dataclasses import replace

from understudy.errors import AccessDenied, Conflict, IntegrityError, NotFound, Unsupported
from understudy.vault import kinds, names
from understudy.vault.keys.identity import Bundle
from understudy.vault.kinds import Body
from understudy.vault.log import fencing
from understudy.vault.log.attached import attached
from understudy.vault.log.base_log import BaseLog
from understudy.vault.log.chain import Place
from understudy.vault.log.fencing import Writer
from understudy.vault.log.fold import Folder, fold
from understudy.vault.log.judge import Record, judge
from understudy.vault.log.keeping import NOTHING, Attached
from understudy.vault.log.recent import Recent
from understudy.vault.log.record import MAX_RECORD, Head, Opened, decode_body, decode_envelope, open_record, record_hash
from understudy.vault.log.rights import Log
from understudy.vault.log.settings_log import SettingsLog
from understudy.vault.log.state import MachineState


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
        self._hashes: list[bytes] = []
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
    def refs(self) -> tuple[kinds.ObjectRef, ...]:
        """The side objects that the records which were read name, each once."""
        return tuple(self._refs.values())

    async def claim(self, site: str, *, adopt: bool = False) -> Record:
        """Become the writer of the present epoch; whoever was it before gets `SecondWriter` on its next append.

        After a failover only the site that the machine was failed over to may claim: any other gets `Fenced`. `adopt`: an operator
        moves the machine to this site without a failover.
        """
        await self.settle()
        self._claiming = (self._state.epoch, adopt)
        record = await self._append(kinds.Claim(site=site))
        self._me = Writer(self._me.id, self._me.role, record.epoch, site)
        return record

    async def append(self, body: Body, still: Callable[[MachineState], None] | None = None) -> Record:
        """Append one record. A claim goes by `claim`.

        `still` raises if the body is wrong in this state. It is asked for the state right before the slot that is tried, each time.
        """
        return await self._append(body) if still is None else await self._append(body, lambda: still(self._state))

    async def must_admit(self, body: Body) -> None:
        """Read on, and raise what `append` would raise without writing anything."""
        await self.refresh()
        await self._check(body)

    async def opened_as(self) -> str:
        """The machine's name, from its first record alone; empty if that is missing, damaged, or does not count."""
        try:
            data = await self._place.store.get(names.record(self._chain.owner, 1), 0, MAX_RECORD + 1)
            opened = open_record(self._place.access, self._chain.owner, 1, Head().hash, data)
            return fold(self.machine_id, [self._judge(opened)]).name
        except (NotFound, IntegrityError, Unsupported):
            return ""

    async def inline(self, seq: int) -> bytes:
        """The pack that travels in the point of record `seq`; empty if none does."""
        if not 1 <= seq <= len(self._hashes):
            raise NotFound(f"machine {self._state.name!r} has no record {seq}")
        pack = self._inline.get(seq)
        if pack is None:
            data = await self._place.store.get(names.record(self._chain.owner, seq), 0, MAX_RECORD + 1)
            if record_hash(data) != self._hashes[seq - 1]:
                raise IntegrityError(f"record {seq} of {self._chain.owner} is not what it was when the log was read")
            before = self._hashes[seq - 2] if seq > 1 else Head().hash
            envelope = decode_envelope(open_record(self._place.access, self._chain.owner, seq, before, data), self._chain.owner)
            body = decode_body(envelope, seq, self._chain.owner)
            pack = body.inline if isinstance(body, kinds.Point) else b""
            self._inline.put(seq, pack)
        return pack

    async def _prepare(self) -> None:
        await self._settings.refresh()
        if self._settings.state.revision != self._trusted:
            # Somebody was added or revoked: what counts may be something else now, from the first record on.
            self._trusted = self._settings.state.revision
            self._chain.rewind()
            self._folder = Folder(self.machine_id)
            self._hashes.clear()
            self._refs.clear()
            self._gaps.clear()
            await self._read_on()

    async def _take(self, opened: Opened) -> Record:
        record = self._judge(opened)
        record = replace(record, void=self._folder.take(record, await self._attached(record.body)))
        self._hashes += [b""] * (opened.seq - 1 - len(self._hashes))
        self._hashes.append(opened.hash)
        if record.body is not None:
            self._refs.update((ref.hash, ref) for ref in kinds.refs_of(record.body))
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
