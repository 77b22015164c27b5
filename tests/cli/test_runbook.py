"""The runbook is true: every command in docs/operations.md does what it says, in its order, as a shell runs it."""

import os
import re
import subprocess
from datetime import date, timedelta
from pathlib import Path

from tests.cli.installed import COMMAND

RUNBOOK = Path(__file__).parents[2] / "docs" / "operations.md"
PLACES = ("/srv", "/root", "/etc/understudy", "/tmp/fresh")


def blocks() -> list[tuple[str, str]]:
    """Each shell block, with the heading that it stands under."""
    text = RUNBOOK.read_text()
    found: list[tuple[str, str]] = []
    for section in re.split(r"^## ", text, flags=re.MULTILINE):
        found += [(section.partition("\n")[0], block) for block in re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)]
    return found


def here(block: str, directory: Path) -> str:
    """The block with its places moved to `directory`, a time that is to come, an end to replication, and no VM."""
    for place in PLACES:
        block = block.replace(place, f"{directory}{place}")
    block = re.sub(r"db@\d{4}-\d\d-\d\d", f"db@{date.today() + timedelta(days=1)}", block)
    lines = [line for line in block.replace("--every 1s", "--every 10ms --cycles 2").splitlines() if "--qmp" not in line]
    return "\n".join(lines)


def test_every_block_works_as_written(tmp_path: Path) -> None:
    for place in ("srv/db", "root", "etc/understudy"):
        (tmp_path / place).mkdir(parents=True)
    for name in ("disk", "data"):
        (tmp_path / "srv" / "db" / f"{name}.raw").write_bytes(name.encode() * 50_000)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("UNDERSTUDY_")}
    inherited["PATH"] = f"{Path(COMMAND).parent}:{inherited['PATH']}"
    (_, host_a), (_, operator), *work = blocks()
    for heading, block in work:
        site, settings = ("host-a", host_a) if heading.startswith("Protect") else ("host-b", operator)
        script = f"{here(settings, tmp_path)}\n{here(block, tmp_path)}"
        environment = {**inherited, "UNDERSTUDY_SITE": site, "UNDERSTUDY_STATE_DIR": str(tmp_path / site)}
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{heading}:\n{block}\n{done.stdout}\n{done.stderr}"
        if heading == "Create a vault":
            (tmp_path / "source.key").rename(tmp_path / "etc" / "understudy" / "source.key")
    assert (tmp_path / "srv" / "restore" / "vda.raw").read_bytes() == b"disk" * 50_000
