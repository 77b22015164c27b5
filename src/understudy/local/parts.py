"""What the composition root hands to the engine, so that the engine names no concrete kind."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from understudy.engine import MachineSource, OnProgress, QemuSource
from understudy.engine.profiling import Profile, Profiled
from understudy.source.protocol import DiskSource
from understudy.store.locks import Locks
from understudy.store.protocol import Cache, ObjectStore


class Parts(NamedTuple):
    """`open_source` takes a machine's id, name and directory here; `vault_directory` is None for vaults that are no directory here.
    `open_locks` raises `Unsupported` where a kind of store locks nothing. `cached`: what a vault's store is read through by who reads the
    same again and again; None where that saves nothing. `where_to_look`: a hint where an address has no vault. `profiled`: what a watch of
    a VM's changes counts; the last one is the machine's id."""

    open_store: Callable[[str], ObjectStore]
    make_store: Callable[[str], ObjectStore]
    vault_directory: Callable[[str], Path | None]
    open_source: Callable[[MachineSource, str, str, Path], DiskSource]
    open_locks: Callable[[str], Locks]
    cached: Callable[[ObjectStore], Cache | None]
    where_to_look: Callable[[str], str]
    profiled: Callable[[QemuSource, Profile, OnProgress, str], Awaitable[Profiled]]
