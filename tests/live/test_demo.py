"""The demonstration, as it is run: the whole job on a real guest, through the understudy command."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

PATIENCE = 180


async def demo(temporary: Path, *words: str) -> Process:
    program = Path(sys.executable).with_name("understudy")
    return await asyncio.create_subprocess_exec(
        program, "demo", *words, stdout=PIPE, stderr=PIPE, env={**os.environ, "TMPDIR": str(temporary)}
    )


async def test_all_that_was_acknowledged_comes_back(accelerator, short_directory):
    kept = short_directory / "kept"
    process = await demo(short_directory, "--for", "5s", "--json", "--keep", str(kept))
    output, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert (process.returncode, errors) == (0, b"")
    seen = json.loads(output)
    assert seen["problems"] == []
    assert seen["acknowledged"] >= seen["recovered"] >= seen["acknowledged_before_freeze"] > 0
    assert seen["verdict"]["present"] == seen["recovered"]
    assert seen["verdict"]["fsck"] == [0, 0]
    assert seen["cycles"] >= 2
    assert seen["dirty_bytes"] >= seen["different_bytes"] > 0
    assert seen["rto_seconds"] > seen["restore_seconds"] > 0
    assert list(short_directory.iterdir()) == [kept]
    assert {path.name for path in kept.iterdir()} == {
        "vda.raw",
        "vdb.qcow2",
        "vault",
        "operator.key",
        "state",
        "restored",
        "understudy.toml",
    }


async def test_an_end_by_signal_leaves_nothing_behind(accelerator, short_directory):
    process = await demo(short_directory, "--for", "1h")
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        while b"point" not in await process.stdout.readline():
            pass
        process.send_signal(signal.SIGTERM)
        output, errors = await process.communicate()
    assert (process.returncode, errors) == (130, b"interrupted\n"), output
    assert list(short_directory.iterdir()) == []
