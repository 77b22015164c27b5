"""Whether what is open is still what is at the vault's address."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.cli.installed import Host
from understudy import engine
from understudy.app import parts
from understudy.daemon.served import ServedEngine
from understudy.errors import StoreUnavailable


async def test_a_vault_that_was_put_there_anew_is_opened_anew(tmp_path: Path) -> None:
    """As after its file system failed and was mounted again: what is open is what it was, and gives nothing but errors then."""
    host = Host(tmp_path / "a", tmp_path / "vault", tmp_path / "key")
    await asyncio.to_thread(host.run, "vault", "create", host.url)
    connection = engine.Connection(
        vault=host.url, state_dir=str(tmp_path / "a" / "state"), site="a", credential=engine.KeyFile(path=str(host.key))
    )
    served = ServedEngine(connection, parts(Path(connection.state_dir)))
    try:
        await served.touch()
        former = await served._opened()
        shutil.copytree(host.vault, tmp_path / "copy")
        host.vault.rename(tmp_path / "before")
        (tmp_path / "copy").rename(host.vault)
        with pytest.raises(StoreUnavailable, match="anew"):
            await served.touch()
        await served.reopen()
        await served.touch()
        assert await served._opened() is not former
    finally:
        await served.close()
