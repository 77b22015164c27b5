"""What the QEMU of this host can do, asked of one that runs nothing."""

import asyncio
import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from understudy.durable import state_directory
from understudy.errors import SourceUnavailable, Unsupported
from understudy.qemu.session import QmpSession

PATIENCE = 20.0
_ACCELERATORS = {"kvm": "kvm", "tcg": "tcg,split-wx=on"}
"""The daemon's service may not make memory that it wrote executable; so an emulator that is its child is told to map it twice."""


@dataclass(frozen=True, slots=True)
class Offers:
    """`missing`: features that the processor asked for would lack here; None: there is no such processor."""

    version: str
    machines: frozenset[str]
    missing: tuple[str, ...] | None


async def ask(program: str, accelerator: str, model: str, beside: Path) -> Offers:
    """`Unsupported` if it cannot be asked. `beside`: a directory that may be written to, where a service has no other."""
    with state_directory(beside), tempfile.TemporaryDirectory(prefix="ask-", dir=beside) as directory:
        socket = Path(directory) / "qmp"
        process = await asyncio.create_subprocess_exec(
            # It ends with us, however that is.
            *(("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()),
            *(
                program,
                "-machine",
                "none",
                "-accel",
                _ACCELERATORS[accelerator],
                "-S",
                "-nodefaults",
                "-no-user-config",
                "-display",
                "none",
            ),
            *("-qmp", f"unix:{socket},server=on,wait=off"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(PATIENCE):
                session = await _connected(process, str(socket))
                try:
                    return await _asked(session, model)
                finally:
                    await session.close()
        except TimeoutError:
            raise Unsupported(f"{program} does not answer within {PATIENCE:g} s", hint="run it by hand, and see what it says") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()


async def _connected(process: asyncio.subprocess.Process, socket: str) -> QmpSession:
    while True:
        if process.returncode is not None:
            assert process.stderr is not None
            said = (await process.stderr.read()).decode(errors="replace").strip()
            raise Unsupported(f"QEMU does not start here: {said}", hint="run it by hand: qemu-system-x86_64 -machine none")
        try:
            return await QmpSession.connect(socket)
        except SourceUnavailable:
            await asyncio.sleep(0.02)


async def _asked(session: QmpSession, model: str) -> Offers:
    machines, processors = await asyncio.gather(session.execute("query-machines"), session.execute("query-cpu-definitions"))
    names = {machine["name"] for machine in machines} | {machine["alias"] for machine in machines if "alias" in machine}
    missing = next((tuple(cpu.get("unavailable-features", ())) for cpu in processors if cpu["name"] == model), None)
    return Offers(".".join(str(number) for number in session.version), frozenset(names), missing)
