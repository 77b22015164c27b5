"""Debian packages downloaded and opened, never installed, with lists of packages of our own: neither root nor a fresh system is needed."""

import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

from understudy.errors import Unsupported


class PackageSource:
    """apt with its state under ``state``; the system's sources and keys are used, its lists and caches are not touched."""

    def __init__(self, state: Path) -> None:
        if shutil.which("apt-get") is None:
            raise Unsupported(
                "there is no apt-get to download the guest's kernel with", hint="build the guest kit on a Debian 12 host and copy it"
            )
        self._lists = state / "lists"
        for directory in (self._lists / "partial", state / "archives" / "partial"):
            directory.mkdir(parents=True, exist_ok=True)
        self._options = [
            *("-o", f"Dir::State={state}", "-o", f"Dir::State::lists={self._lists}", "-o", f"Dir::Cache={state}"),
            *("-o", f"Dir::Cache::archives={state / 'archives'}", "-o", "Dir::State::status=/var/lib/dpkg/status"),
            # As root, apt would download as a user of its own, who may not be allowed to write below this directory.
            *("-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3", "-o", "Acquire::Languages=none", "-q"),
        ]

    def refresh(self) -> None:
        # One unreachable source among several is no reason to stop: whether the packages are found decides.
        self._run("apt-get", "update", check=False)

    def dependency(self, package: str, prefix: str) -> str:
        """The package that ``package`` depends on whose name begins with ``prefix``."""
        for line in self._run("apt-cache", "depends", package).splitlines():
            kind, _, name = line.strip().partition(": ")
            if kind == "Depends" and name.startswith(prefix):
                return name
        raise Unsupported(f"no {prefix}* among the dependencies of {package}", hint="is a Debian mirror among apt's sources?")

    def download(self, package: str, directory: Path) -> Path:
        directory.mkdir(parents=True, exist_ok=True)
        self._run("apt-get", "download", package, cwd=directory)
        return max(directory.glob(f"{package}_*.deb"), key=lambda path: path.stat().st_mtime)

    def _run(self, tool: str, *arguments: str, check: bool = True, cwd: Path | None = None) -> str:
        done = subprocess.run(
            [tool, *self._options, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=cwd, check=False
        )
        if check and done.returncode != 0:
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise Unsupported(
                f"{tool} {' '.join(arguments)} failed: {reason[-1] if reason else 'no reason given'}",
                hint="the guest's kernel comes from a Debian mirror: is the network up, and is one among apt's sources?",
            )
        return done.stdout


def read_members(package: Path, wanted: Callable[[str], object]) -> dict[str, bytes]:
    """The regular files of a .deb whose path (no leading ``./``) is wanted."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as unpacker:
        assert unpacker.stdout is not None
        found: dict[str, bytes] = {}
        with tarfile.open(fileobj=unpacker.stdout, mode="r|") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if member.isfile() and wanted(name):
                    content = archive.extractfile(member)
                    assert content is not None
                    found[name] = content.read()
    return found
