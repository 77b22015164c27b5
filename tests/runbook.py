"""docs/operations.md as tests read it: what it says is typed, and not what they say of it."""

import re
from pathlib import Path

RUNBOOK = Path(__file__).parents[1] / "docs" / "operations.md"


def blocks() -> list[tuple[str, str]]:
    """Each shell block that works by itself, with the heading that it stands under."""
    found: list[tuple[str, str]] = []
    for section in re.split(r"^## ", RUNBOOK.read_text(), flags=re.MULTILINE):
        found += [(section.partition("\n")[0], block) for block in re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)]
    return found


def shown() -> list[str]:
    """Each command line of the other blocks, such as those that a daemon and a guest are needed for."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", RUNBOOK.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for kind, block in found if kind != "sh" for line in block.splitlines()]
    return [line for line in lines if re.match(r"(sudo )?understudy ", line)]


def mentioned() -> list[str]:
    """Those in the text, which may leave out what matters not there."""
    text = re.sub(r"^```.*?^```", "", RUNBOOK.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`(understudy [^`]+)`", text)


def shown_as(line: str) -> str:
    """The first line of such a block that is this command, with the comment that it has there; `line` stands there without one."""
    found = [each for each in shown() if each.partition("#")[0].rstrip() == line]
    assert found, f"the runbook does not say {line!r}"
    return found[0]
