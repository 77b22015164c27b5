"""The composition root: the only place that names concrete kinds of stores and sources and joins the parts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from understudy import engine
from understudy.local.engine import LocalEngine
from understudy.local.parts import Parts
from understudy.source.block import BlockSource
from understudy.source.protocol import DiskSource
from understudy.source.qemu import QemuSource
from understudy.store.protocol import ObjectStore
from understudy.store.url import open_store, parse_url


@asynccontextmanager
async def open_engine(connection: engine.Connection) -> AsyncIterator[engine.Engine]:
    """The engine inside this process."""
    local = LocalEngine(connection, Parts(open_store, _make_store, _vault_directory, _open_source))
    try:
        yield local
    finally:
        await local.close()


def _make_store(url: str) -> ObjectStore:
    return open_store(url, make=True)


def _vault_directory(url: str) -> Path | None:
    parsed = parse_url(url)
    return Path(parsed.path) if parsed.kind == "file" else None


def _open_source(source: engine.MachineSource, machine_id: str, directory: Path) -> DiskSource:
    match source:
        case engine.BlockSource(disks=disks):
            return BlockSource(disks)
        case engine.QemuSource(qmp=qmp, disks=disks):
            return QemuSource(machine_id, qmp, directory, disks)
