"""Small promises about the tree itself."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONGEST = 350
SOURCES = {".py", ".pyi", ".pyx", ".pxd", ".pxi", ".c", ".h", ".sh"}
TOP_LEVEL = {
    "pyproject.toml",
    "setup.py",
    "README.md",
    "src",
    "native",
    "tests",
    "bench",
    "systemd",
    "LICENSE",
    "Makefile",
    ".ci",
    "docs",
    ".gitignore",
}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).exists()]


def test_nothing_unexpected_lies_at_the_top() -> None:
    assert {path.parts[0] for path in tracked()} <= TOP_LEVEL


@pytest.mark.parametrize("path", [path for path in tracked() if path.suffix in SOURCES], ids=str)
def test_files_stay_short(path: Path) -> None:
    assert len((ROOT / path).read_text().splitlines()) <= LONGEST


def test_every_kernel_has_a_stub_and_every_stub_a_kernel() -> None:
    kernels = {path.stem for path in ROOT.glob("native/*.pyx")}
    stubs = {path.stem for path in ROOT.glob("src/understudy/native/*.pyi")}
    assert kernels == stubs
