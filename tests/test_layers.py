"""Imports only point down. The table is the package's map: someone new finds each part from it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "understudy"

# Top first. Parts of one row do not know each other, but for the last rows, whose order is their own.
LAYERS = (
    ("cli",),
    ("demo",),
    ("serving",),
    ("app", "exporter", "sites"),
    ("daemon",),
    ("api", "client"),
    ("scheduler", "jobs"),
    ("failover",),
    ("replica", "mounts"),
    ("local",),
    ("replication", "recovery"),
    ("vault",),
    ("peer",),
    ("source", "hypervisor", "store"),
    ("qemu", "nbd"),
    ("native",),
    ("pairing",),
    ("config",),
    ("engine",),
    ("extents",),
    ("programs",),
    ("finish",),
    ("durable",),
    ("leaving",),
    ("machine",),
    ("pages",),
    ("heap",),
    ("meminfo",),
    ("model",),
    ("errors",),
)
RANK = {part: rank for rank, row in enumerate(LAYERS) for part in row}

# What a part may know at all, where that is less than everything below it.
ONLY = {
    "cli": {"app", "serving", "sites", "client", "config", "demo", "engine", "leaving", "heap", "model", "errors"},
    "demo": {"errors"},
    "api": {"engine", "model", "errors"},
    "client": {"engine", "model", "errors"},
    "scheduler": {"engine", "errors"},
    "jobs": {"engine", "durable", "errors", "finish"},
    "config": {"engine", "errors"},
    "engine": {"model", "errors"},
    "peer": {"store", "pairing", "engine", "finish", "durable", "model", "errors"},
    "pairing": {"engine", "durable", "errors"},
    "hypervisor": {"qemu", "nbd", "machine", "durable", "finish", "meminfo", "errors"},
    "machine": {"model", "errors"},
    "native": set(),
    "model": set(),
    "errors": set(),
}
NEVER = {
    "vault": {"peer", "pairing", "source", "hypervisor", "machine", "qemu", "nbd"},
}
# Files of these parts stand for one kind each behind a Protocol; only the composition roots, and their own part, name them.
ROOTS = {"app", "exporter", "serving", "sites"}
KINDS = {"source", "hypervisor", "store"}
OPEN_TO_ALL = {"protocol", "names", "locks"}


def modules() -> list[Path]:
    return sorted(path for pattern in ("*.py", "*.pyi") for path in PACKAGE.rglob(pattern))


def part_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def is_module(name: str) -> bool:
    base = PACKAGE.joinpath(*name.split("."))
    return base.is_dir() or any(base.with_suffix(suffix).exists() for suffix in (".py", ".pyi"))


def imports_of(tree: ast.AST) -> Iterator[str]:
    """Dotted names below the package, as `vault.log`, of all that is imported anywhere in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("understudy."):
                below = name.removeprefix("understudy.")
                while below and not is_module(below):
                    below = below.rpartition(".")[0]
                if below:
                    yield below


def objection(part: str, imported: str) -> str | None:
    target, _, module = imported.partition(".")
    if part in ("__init__", target):
        return None
    if part not in RANK or target not in RANK:
        return f"{part} or {target} is not in the table"
    if RANK[target] <= RANK[part]:
        return f"{part} is not above {target}"
    if (part in ONLY and target not in ONLY[part]) or target in NEVER.get(part, ()):
        return f"{part} must not know {target}"
    if target in KINDS and part not in ROOTS and module.partition(".")[0] not in OPEN_TO_ALL:
        return f"only a composition root names the kind {imported}"
    return None


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_point_down(path: Path) -> None:
    part = part_of(path)
    assert part == "__init__" or part in RANK, f"{part} is not in the table"
    problems = {imported: objection(part, imported) for imported in imports_of(ast.parse(path.read_text()))}
    assert {imported: problem for imported, problem in problems.items() if problem} == {}


@pytest.mark.parametrize("path", sorted([*ROOT.glob("native/*.pyx"), *PACKAGE.glob("native/*.pxd")]), ids=lambda path: path.name)
def test_kernels_know_only_kernels(path: Path) -> None:
    assert [name for name in re.findall(r"understudy\.\w+", path.read_text()) if name != "understudy.native"] == []


def test_the_table_is_the_package_and_the_readme_shows_it() -> None:
    assert {part_of(path) for path in modules()} - {"__init__"} == RANK.keys()
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    shown = [name.removesuffix("/").removesuffix(".py") for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert shown == [part for row in LAYERS for part in row]


def test_objections_are_raised() -> None:
    assert objection("vault", "replication.cycle")
    assert objection("replication", "recovery.verify")
    assert objection("cli", "vault.log")
    assert objection("replication", "store.file")
    assert objection("native", "errors")
    assert objection("vault", "nbd.client")
    assert objection("shiny", "errors")
    assert objection("replication", "store.protocol") is None
    assert objection("app", "store.file") is None
    assert list(imports_of(ast.parse("from understudy.store import protocol\nfrom understudy import extents"))) == [
        "store.protocol",
        "extents",
    ]
