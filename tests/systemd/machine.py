"""A booted systemd of its own, in a container whose /usr is this host's: nothing is downloaded, nothing of the host is changed."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PATIENCE = 90.0


class Machine:
    """Entered when it has booted. `installed`: what `make install` put below a DESTDIR; its /usr/local is ours. `srv` is its /srv."""

    def __init__(self, installed: Path) -> None:
        self._installed = installed
        self._directory = Path(tempfile.mkdtemp(prefix="us-boot-"))
        self._root = self._directory / "root"
        self.srv = self._root / "srv"
        self.etc = self._root / "etc"
        self._process: subprocess.Popen[bytes] | None = None
        self._enter: list[str] = []

    def __enter__(self) -> Self:
        self._furnish()
        # Whoever runs this may have an interpreter in a home directory.
        interpreter = sys.base_prefix
        words = ["systemd-nspawn", f"--directory={self._root}", "--bind-ro=/usr", f"--bind-ro={self._installed}/usr/local:/usr/local"]
        words += [f"--bind-ro={interpreter}"] if not interpreter.startswith("/usr") else []
        words += ["--register=no", "--keep-unit", "--private-network", "--console=pipe", "--kill-signal=SIGRTMIN+3", "--boot", "--quiet"]
        with (self._directory / "console").open("wb") as console:
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True)
        leader = self.until(self._leader, "boot")
        self._enter = ["nsenter", "-t", leader, "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]
        self.until(lambda: self.try_("systemctl", "is-system-running").stdout.strip() in ("running", "degraded"), "boot")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process is not None
        if self._enter:
            self.try_("systemctl", "poweroff")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(30)
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._directory)

    def _furnish(self) -> None:
        for name in ("etc", "var", "srv", "tmp", "run", "proc", "sys", "dev", "usr", "root"):
            (self._root / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (self._root / name).symlink_to(f"usr/{name}")
        for name in ("os-release", "ld.so.cache"):
            shutil.copy(f"/etc/{name}", self.etc / name)
        (self.etc / "machine-id").write_text(f"{os.urandom(16).hex()}\n")
        (self.etc / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n")
        (self.etc / "group").write_text("root:x:0:\nadm:x:4:\nnogroup:x:65534:\n")
        shutil.copytree(self._installed / "etc" / "understudy", self.etc / "understudy")

    def _leader(self) -> str:
        assert self._process is not None
        assert self._process.poll() is None, (self._directory / "console").read_text()
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return children[0] if children else ""

    def try_(self, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self._enter, *words], input=text, capture_output=True, text=True, timeout=PATIENCE, check=False)

    def run(self, *words: str, text: str | None = None) -> str:
        done = self.try_(*words, text=text)
        assert done.returncode == 0, f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}\n{self.journal()[-3000:]}"
        return done.stdout

    def journal(self, *words: str) -> str:
        return self.try_("journalctl", "--no-pager", "-o", "cat", "-u", "understudy", *words).stdout

    def shown(self, what: str) -> str:
        """A property of the service."""
        return self.run("systemctl", "show", "--value", "-p", what, "understudy").strip()

    def until(self, holds: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if found := holds():
                return found
            time.sleep(0.1)
        raise AssertionError(f"it did not {what}\n{self.journal()[-3000:] if self._enter else ''}")
