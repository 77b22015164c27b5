"""The installed command as an operator runs it: a process of its own, with a vault, a state directory and keys on disk."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMMAND = str(Path(sys.executable).with_name("understudy"))


@dataclass
class Host:
    """A site: its state directory and the credential that it holds for a vault."""

    directory: Path
    vault: Path
    key: Path
    extra: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("UNDERSTUDY_")}
        ours = {
            "UNDERSTUDY_VAULT": self.vault.as_uri(),
            "UNDERSTUDY_KEY_FILE": str(self.key),
            "UNDERSTUDY_STATE_DIR": str(self.directory / "state"),
        }
        return {**inherited, **ours, **self.extra}

    def run(self, *words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """Run to the end; fails unless it ends with `expect`."""
        done = subprocess.run([COMMAND, *words], env=self.environment(), capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == expect, f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *words: str, expect: int = 0) -> Any:
        """Run with --json; the one document."""
        return json.loads(self.run(*words, "--json", expect=expect).stdout)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Run in the background, with stdout and stderr on pipes."""
        return subprocess.Popen([COMMAND, *words], env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
