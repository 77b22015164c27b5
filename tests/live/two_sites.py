"""Two daemons that share a vault, and a guest that keeps a tally on its disk wherever it runs."""

import asyncio
import contextlib
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cli.installed import COMMAND
from tests.daemon.house import PATIENCE, House
from tests.hypervisor.stage import make_kernel
from tests.live.vaults import Kind, chosen, vault_of
from tests.runbook import shown_as
from understudy.demo.kit import Kit
from understudy.demo.machine import KERNEL_LINE
from understudy.hypervisor.qemu.driver import QemuHypervisor
from understudy.qemu.session import QmpSession

SIZE = 16 << 20
"""Room for seven minutes' tallies."""
NAME = "web"
TALLY = r"""
for module in $(cat /modules/on-request); do insmod "/modules/$module"; done
until [ -b /dev/vda ]; do usleep 20000; done
for keys in /dev/input/event*; do (head -c 24 $keys >/dev/null; echo @button; sync; poweroff -f) & done
tally /dev/vda
"""
"""See tally.c. A shell that starts programs for each write takes half a processor."""


def compiled(source: Path, directory: Path, *more: str | Path) -> bytes:
    """A program for a guest, linked with `more`."""
    program = directory / source.stem
    warnings = ["-Wall", "-Wextra", "-Werror"]
    subprocess.run(["gcc", "-static", "-O2", *warnings, "-s", "-o", program, source, *more], check=True)
    return program.read_bytes()


@dataclass
class Home:
    """The machine where it is at home: a QEMU of its owner's, not started by understudy.

    `programs`: what `script` needs beside tally; `more`: its disks beside vda, whose images lie there already.
    """

    directory: Path
    kit: Kit
    accelerator: str
    name: str = NAME
    memory: int = 192
    size: int = SIZE
    script: str = TALLY
    programs: Mapping[str, bytes] = field(default_factory=dict)
    more: tuple[str, ...] = ()
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def disk(self) -> Path:
        return self.directory / "vda.raw"

    @property
    def qmp(self) -> Path:
        return self.directory / "qmp"

    @property
    def console(self) -> str:
        return (self.directory / "console").read_text(errors="replace").replace("\r", "")

    def start(self) -> None:
        if not self.disk.exists():
            with self.disk.open("wb") as file:
                file.truncate(self.size)
        programs = {"/bin/tally": compiled(Path(__file__).with_name("tally.c"), self.directory), **self.programs}
        kernel = make_kernel(self.kit, self.directory, self.script, programs)
        command = ["qemu-system-x86_64", "-name", self.name, "-machine", f"q35,accel={self.accelerator}", "-m", str(self.memory)]
        command += ["-nodefaults", "-display", "none", "-kernel", str(self.kit.kernel), "-initrd", str(kernel), "-append", KERNEL_LINE]
        for disk in ("vda", *self.more):
            command += ["-blockdev", f"driver=file,filename={self.directory}/{disk}.raw,node-name={disk}-file"]
            command += ["-blockdev", f"driver=raw,file={disk}-file,node-name={disk}", "-device", f"virtio-blk-pci,drive={disk},id={disk}"]
        command += ["-qmp", f"unix:{self.qmp},server=on,wait=off"]
        command += ["-chardev", f"file,id=con,path={self.directory}/console,append=on", "-serial", "chardev:con"]
        (self.directory / "console").touch()
        with (self.directory / "qemu.log").open("ab") as log:
            command = ["setpriv", "--pdeathsig", "KILL", *command]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    async def status(self) -> str:
        session = await QmpSession.connect(str(self.qmp))
        try:
            return str((await session.execute("query-status"))["status"])
        finally:
            await session.close()


def acknowledged(text: str) -> int:
    """The highest number, 0 without any. Another process of the guest's may speak in the midst of a line."""
    return max(map(int, re.findall(r"^@ack (\d+)", text, re.MULTILINE)), default=0)


def sums(text: str) -> list[str]:
    """What each boot found."""
    return [line.split(maxsplit=1)[1] for line in text.replace("\r", "").splitlines() if line.startswith("@sum ")]


def kept(found: list[str], last: int) -> bool:
    """Whether a boot found everything that was acknowledged; a last write may have been on the disk before it could say so."""
    return found in ([str(last)], [str(last + 1)])


@dataclass
class SiteHouse(House):
    """One site's daemon, and the runs on it."""

    files_from: list[str] = field(default_factory=list)
    away: str = ""
    """An address where it finds no vault, and does not hear why."""

    def configure(self, more: str = "") -> None:
        super().configure(more)
        with self.config.open("a") as file:
            file.write(f"[failover]\nfiles-from = {json.dumps(self.files_from)}\n")

    @property
    def hypervisor(self) -> QemuHypervisor:
        return QemuHypervisor(self.directory / "state" / "vms", lambda: [Path(path) for path in self.files_from])

    def console(self, run: str) -> str:
        return asyncio.run(self.hypervisor.console(run)).decode(errors="replace")

    def standing(self, name: str = NAME) -> Any:
        return self.ask("GET", f"/v1/machines/{name}/failover")

    def begin(self, path: str, body: Any = None, name: str = NAME) -> str:
        return str(self.ask("POST", f"/v1/machines/{name}/{path}", body)["id"])

    def job(self, job: str) -> Any:
        return self.ask("GET", f"/v1/jobs/{job}")

    def ended(self, job: str) -> Any:
        return self.until(lambda: found if (found := self.job(job))["state"] in ("succeeded", "failed", "cancelled") else None)

    def done(self, path: str, body: Any = None, name: str = NAME) -> Any:
        """What the operation gave."""
        found = self.ended(self.begin(path, body, name))
        assert found["state"] == "succeeded", found["error"]
        return found["result"]

    def refused(self, path: str, body: Any = None) -> Any:
        found = self.ended(self.begin(path, body))
        assert found["state"] == "failed", found
        return found["error"]

    def types(self, line: str, *, instead: tuple[str, str] = ("", ""), code: int = 0) -> str:
        """What an operator sees who types this line of the runbook here, and says `y` to what it asks; it ends with `code`.

        `instead`: a number or name that is the runbook's, and ours.
        """
        written = shown_as(line)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("UNDERSTUDY_")}
        environment |= {"PATH": f"{Path(COMMAND).parent}:{environment['PATH']}", "UNDERSTUDY_SOCKET": str(self.socket)}
        ours, terminal = os.openpty()
        try:
            os.write(ours, b"y\n")
            command = ["bash", "-c", written.replace(*instead) if instead[0] else written]
            done = subprocess.run(command, env=environment, stdin=terminal, capture_output=True, text=True, timeout=300)
        finally:
            os.close(ours)
            os.close(terminal)
        assert done.returncode == code, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def typed(self, line: str, *, instead: tuple[str, str] = ("", "")) -> Any:
        """What the job gave that such a line began, which asks first whether it is meant."""
        assert "Go on? [y/N]" in self.types(line, instead=instead)
        (job,) = self.ask("GET", "/v1/jobs?limit=1")["items"]
        assert job["state"] == "succeeded", job
        return job["result"]


@contextlib.contextmanager
def two_sites(
    directory: Path, kit: Kit, accelerator: str, kind: Kind = "file", *, within: Sequence[Sequence[str]] = ((), ()), listen: str = ""
) -> Iterator[tuple[SiteHouse, SiteHouse, Home]]:
    """The machine at home at site a, followed from there, and site b. Everything ends with the context.

    `kind`: where their vault is. `within`: what runs each site's commands in a network of its own, and b listens there.
    """
    (directory / "h").mkdir()
    home = Home(directory / "h", kit, accelerator)
    with sites_of(directory, [home], kind, within=within, listen=listen) as (a, b):
        yield a, b, home


@contextlib.contextmanager
def sites_of(
    directory: Path,
    homes: Sequence[Home],
    kind: Kind,
    *,
    within: Sequence[Sequence[str]] = ((), ()),
    listen: str = "",
    interval: str = "1s",
    patience: float = PATIENCE,
) -> Iterator[tuple[SiteHouse, SiteHouse]]:
    """The same for several machines, which are started here."""
    files = [str(place) for home in homes for place in (home.directory, home.kit.kernel.parent)]
    houses = []
    for site, words in zip("ab", within, strict=True):
        (directory / site).mkdir()
        house = SiteHouse(directory / site, site=site, shared=directory, files_from=files, command=(*words, COMMAND), patience=patience)
        house.policy["interval"] = interval
        houses.append(house)
    a, b = houses
    servers = contextlib.ExitStack()
    try:
        for home in homes:
            home.start()
        a.away = servers.enter_context(vault_of(chosen(kind), a, b, listen))
        a.start()
        a.until(lambda: all(acknowledged(home.console) > 3 for home in homes))
        for home in homes:
            a.ask("POST", "/v1/machines", {"name": home.name, "source": {"kind": "qemu", "qmp": str(home.qmp)}})
        for home in homes:
            a.points(home.name, 1)
        yield a, b
    except BaseException:
        said = "".join(f"home of {home.name}:\n{home.console[-500:]}\n" for home in homes)
        print(f"site a:\n{a.log[-6000:]}\nsite b:\n{b.log[-6000:]}\n{said}")
        raise
    finally:
        for house in houses:
            if house.process is not None:
                house.process.kill()
                house.process.wait()
            _end(house)
        for home in homes:
            home.kill()
        servers.close()


async def _destroyed(house: SiteHouse) -> None:
    for run in await house.hypervisor.find():
        await house.hypervisor.destroy(run)


def _end(house: SiteHouse) -> None:
    asyncio.run(_destroyed(house))
    for record in (house.directory / "state" / "exports").glob("*/export.json"):
        pid = json.loads(record.read_text())["pid"]
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            if b"understudy-export" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, 15)


def until(what: Callable[[], Any], patience: float = 60.0) -> Any:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.1)
    raise AssertionError("it does not happen")
