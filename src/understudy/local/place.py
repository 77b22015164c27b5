"""What a place with a vault's objects is: a vault, a copy of one, promoted, or given up."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence

from understudy import engine
from understudy.errors import RolledBack
from understudy.local.parts import Parts
from understudy.local.second_proof import load_proof, proof_file
from understudy.local.seeding import OpenVault
from understudy.local.site import Site
from understudy.local.views import keys_of
from understudy.vault import names
from understudy.vault.copy.marker import Marker, read_marker
from understudy.vault.log import lineage
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.state import MachineState
from understudy.vault.memory import Memory
from understudy.vault.vault import Vault


class PlaceFacade(ABC):
    """Part of an engine: it tells what is in the place that is named as the vault."""

    _parts: Parts
    _site: Site
    _connection: engine.Connection

    @abstractmethod
    async def _opened(self) -> Vault: ...

    @abstractmethod
    async def _readable_logs(self) -> tuple[Vault, list[MachineLog]]: ...

    @abstractmethod
    def _machine(self, vault: Vault, state: MachineState) -> engine.Machine: ...

    @abstractmethod
    def _reads(self) -> OpenVault: ...

    async def vault(self) -> engine.VaultInfo:
        """Also of what this site refuses to work with: a copy that is behind what it has seen, and a vault that was given up."""
        try:
            return await self._info(*await self._readable_logs())
        except RolledBack:
            store = self._parts.open_store(self._connection.vault)
            try:
                vault = await self._reads()(store)
                info = await self._info(vault, await vault.logs())
            finally:
                await store.close()
            if info.place.kind not in ("copy", "given-up"):
                raise
            return info

    async def place(self) -> engine.VaultPlace:
        return await place_of(await self._opened(), (), self._site)

    async def _info(self, vault: Vault, logs: list[MachineLog]) -> engine.VaultInfo:
        damage = [reason for _, reason in (*vault.damage, *(found for log in logs for found in log.damage))]
        return engine.VaultInfo(
            id=vault.id,
            url=self._connection.vault,
            role=vault.identity.role,
            identity=vault.identity.name,
            keys=keys_of(await vault.keys.survey()),
            machines=tuple(self._machine(vault, log.state) for log in logs),
            damage=tuple(damage),
            place=await place_of(vault, logs, self._site),
        )


async def place_of(vault: Vault, logs: Sequence[MachineLog], site: Site) -> engine.VaultPlace:
    """`logs`: all of them. What is said of a copy goes by what this host has seen and done."""
    marker, settings = await read_marker(vault.store), vault.settings
    copy = marker.id.hex() if marker is not None else ""
    if settings.given_up is not None:
        return engine.VaultPlace(kind="given-up", copy=copy, at=settings.given_up.at, where=settings.given_up.where)
    if marker is None:
        return engine.VaultPlace()
    promoted = next((promoted for promoted in settings.promotions if promoted.id == marker.id), None)
    if promoted is not None:
        return engine.VaultPlace(kind="promoted", copy=copy, at=promoted.at)
    return await asyncio.to_thread(_copy, vault.id, marker, logs, site)


def _copy(vault_id: str, marker: Marker, logs: Sequence[MachineLog], site: Site) -> engine.VaultPlace:
    marks = lineage.marks(Memory.of(site.state, vault_id))
    ends = {names.machine(log.machine_id): log.head.seq for log in logs}
    behind = sum(max(mark.seq - ends.get(owner, 0), 0) for owner, mark in marks.items() if owner.startswith(names.MACHINES))
    proofs = [load_proof(proof_file(site, vault_id, log.machine_id, marker.id.hex())).at for log in logs]
    return engine.VaultPlace(
        kind="copy", copy=marker.id.hex(), behind=behind if marks else None, verified_at=min(proofs, default=0) or None
    )
