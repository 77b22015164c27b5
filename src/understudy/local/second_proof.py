"""A machine's copy is proven now and then, healed from the vault where it can be, and what came of that is remembered here."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from understudy.durable import replace_file
from understudy.errors import IntegrityError, StateFailed, Unsupported
from understudy.finish import finish_in_thread
from understudy.local.site import Site
from understudy.store.protocol import ObjectStore
from understudy.vault.copy.place import must_be_copy
from understudy.vault.copy.proof import Sample, healed, healed_log, sample, told
from understudy.vault.copy.whole import Lack
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.malformed import MALFORMED
from understudy.vault.vault import Vault

SECOND = "second"
"""Below a machine's directory: what is remembered of copies of it, by the copy."""
PROOF = "proof.json"
MOST = 256 << 20
"""Bytes of objects that are read of each machine's copy each time; or one object."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """`at`: when (wall clock, ns), 0: never. `objects`, `bytes`: that were read then. `after`: where the next one goes on. `damage`: what
    was found and could not be healed, `bad`: the names of these objects."""

    at: int = 0
    objects: int = 0
    bytes: int = 0
    after: str = ""
    damage: str = ""
    bad: tuple[str, ...] = ()


class Proven(NamedTuple):
    """`healed`: so many objects and records were damaged or missing, and are the vault's again."""

    proof: Proof
    healed: int


def proof_file(site: Site, vault_id: str, machine_id: str, copy: str) -> Path:
    """`copy`: its id."""
    return site.directory(vault_id, machine_id) / SECOND / copy / PROOF


def load_proof(path: Path) -> Proof:
    """One that does not read is forgotten. Blocks."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Proof)
    except (FileNotFoundError, *MALFORMED):
        return Proof()
    except OSError as error:
        raise StateFailed(f"{path}: {error.strerror or error}") from error


async def proven_copy(
    vault: Vault, log: MachineLog, target: ObjectStore, open_copy: Callable[[ObjectStore], Awaitable[Vault]], site: Site
) -> Proven:
    """`log`: the vault's, read to its end. `Conflict`, `Diverged` where the place is no copy of the vault, and what the stores say."""
    marker = (await must_be_copy(vault, target)).id.hex()
    path = proof_file(site, vault.id, log.machine_id, marker)
    before, healthy = await asyncio.to_thread(load_proof, path), 0

    async def look() -> Sample:
        copy = await open_copy(target)
        return await sample(copy, await copy.find(log.machine_id), before.after, MOST, before.bad)

    try:
        try:
            found, left = await look(), tuple[Lack, ...]()
        except (IntegrityError, Unsupported):
            healthy = await healed_log(vault, log, target)
            found, left = await look(), ()
        if found.bad:
            found = await look()  # what was deleted meanwhile, as the copy's log says, is no damage
        while found.bad:
            left = await healed(vault, log, target, {lack.name for lack in found.bad})
            healthy += len(found.bad) - len(left)
            if len(left) in (0, len(found.bad)):
                break
            found, left = await look(), ()  # a list that came back may tell of the rest
        proof = Proof(
            at=time.time_ns(),
            objects=found.objects,
            bytes=found.bytes,
            after=found.after,
            damage=told(left),
            bad=tuple(lack.name for lack in left),
        )
    except (IntegrityError, Unsupported) as error:
        proof = Proof(at=time.time_ns(), after=before.after, damage=error.message)
    await finish_in_thread(partial(replace_file, path, msgspec.json.encode(proof)))
    return Proven(proof, healthy)
