"""Vaults on real files, with slots that open quickly."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults import FaultyStore
from tests.vault.worlds import QUICK, UNLOCK
from understudy.store.file import FileStore
from understudy.vault.vault import Vault


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[FaultyStore]:
    """Without any fault until a test puts one into its schedule."""
    faulty = FaultyStore(FileStore(tmp_path / "vault", make=True))
    yield faulty
    await faulty.close()


@pytest.fixture
async def vault(store: FaultyStore, tmp_path: Path) -> Vault:
    """A new vault, opened by its first operator on a site of its own."""
    return await Vault.create(store, UNLOCK, state=tmp_path / "state", patience=QUICK)
