"""One line of JSON for each trial, and what came of all."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.endurance.world import World


class Outcomes:
    """`lines`: also those that earlier runs left at `path`."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.lines: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()] if path and path.exists() else []

    def tell(self, line: dict[str, Any]) -> None:
        self.lines.append(line)
        text = json.dumps(line)
        print(text, flush=True)
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(text + "\n")

    def keep(self, here: World) -> None:
        """What the two sites of the last line said, beside the lines."""
        self.keep_logs({f"{name}.log": site.log for name, site in here.sites.items()} | {"home.console": here.home.console})

    def keep_logs(self, texts: Mapping[str, str]) -> None:
        """By name, beside the lines."""
        if self._path is None:
            return
        beside = self._path.with_suffix(".logs")
        beside.mkdir(exist_ok=True)
        for name, text in texts.items():
            (beside / f"{len(self.lines)}-{name}").write_text(text)

    def table(self, row: str, column: str) -> str:
        """How many of each, and how many of these broke a promise."""
        all_ = Counter((line[row], line[column]) for line in self.lines)
        broken = Counter((line[row], line[column]) for line in self.lines if line["broken"])
        rows, columns = sorted({one for one, _ in all_}), sorted({other for _, other in all_})
        cells = [[row, *columns]]
        for one in rows:
            found = [f"{all_[one, other]}" + (f" ({broken[one, other]} broken)" if broken[one, other] else "") for other in columns]
            cells.append([one, *found])
        widths = [max(len(line[at]) for line in cells) for at in range(len(columns) + 1)]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells)

    @property
    def broken(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["broken"]]
