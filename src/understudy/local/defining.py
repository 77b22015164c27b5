"""Definitions: what a point carries, and what an operator gave in its place. Both are in the vault, so no site is needed for them."""

from typing import Any

import msgspec

from understudy import engine
from understudy.errors import NotFound
from understudy.machine.definition import MachineDefinition
from understudy.machine.reading import KEY, as_recorded, from_toml, of_point, to_toml
from understudy.model import Definition
from understudy.vault import kinds, names
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.side_object import get_side_object, put_side_object
from understudy.vault.maps.points import PointEntry
from understudy.vault.vault import Vault

PURPOSE = "definition"
GIVEN = "given"
TAKEN_BACK = "captured"


async def started_from(vault: Vault, log: MachineLog, entry: PointEntry) -> tuple[MachineDefinition, bool]:
    """What a machine is started from at this point, and whether an operator gave it. `InvalidRequest` if that does not suffice."""
    if (given := await _given(vault, log)) is not None:
        return given, True
    ref = entry.point.definition
    return of_point({} if ref is None else await _read(vault, log, ref), log.state.name), False


async def definition_shown(vault: Vault, log: MachineLog) -> engine.ShownDefinition:
    entry = log.state.newest
    if entry is None:
        given = await _given(vault, log)
        if given is None:
            raise NotFound(
                f"machine {log.state.name!r} has no point yet, which would say what it is", hint="replicate it, or give a definition"
            )
        return _shown(log, given, given=True, point="")
    definition, is_given = await started_from(vault, log, entry)
    return _shown(log, definition, given=is_given, point="" if is_given else entry.point.id.hex())


async def definition_set(vault: Vault, log: MachineLog, request: engine.SetDefinition) -> engine.SetDefinition:
    """Durable when it returns; the last one counts."""
    given = None if request.text is None else from_toml(request.text, log.state.name)
    recorded: Definition = {"kind": TAKEN_BACK} if given is None else {"kind": GIVEN, KEY: as_recorded(given)}
    data = msgspec.json.encode(recorded, order="sorted")
    ref = await put_side_object(vault.store, vault.access, names.machine(log.machine_id), PURPOSE, data)
    await log.append(kinds.Definition(definition=ref))
    return engine.SetDefinition(machine=log.state.name, text=None if given is None else to_toml(given))


async def _given(vault: Vault, log: MachineLog) -> MachineDefinition | None:
    ref = log.state.definition
    if ref is None:
        return None
    recorded = await _read(vault, log, ref)
    return of_point(recorded, log.state.name) if recorded.get("kind") == GIVEN else None


async def _read(vault: Vault, log: MachineLog, ref: kinds.ObjectRef) -> Definition:
    data = await get_side_object(vault.store, vault.access, names.machine(log.machine_id), PURPOSE, ref)
    found: dict[str, Any] = msgspec.json.decode(data, type=dict[str, Any])
    return found


def _shown(log: MachineLog, definition: MachineDefinition, *, given: bool, point: str) -> engine.ShownDefinition:
    return engine.ShownDefinition(machine=log.state.name, given=given, point=point, text=to_toml(definition), unknown=definition.unknown)
