"""The command as an operator runs it, with a vault, a state directory and keys on disk."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from understudy.cli.main import cli, in_process

COMMAND = str(Path(sys.executable).with_name("understudy"))


@dataclass
class Host:
    """A site: its state directory and the credential that it holds for a vault."""

    directory: Path
    vault: Path
    key: Path
    extra: dict[str, str] = field(default_factory=dict)
    address: str = ""
    """Of the vault, where it is not the directory `vault`."""

    @property
    def url(self) -> str:
        return self.address or self.vault.as_uri()

    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("UNDERSTUDY_")}
        ours = {
            "UNDERSTUDY_VAULT": self.url,
            "UNDERSTUDY_KEY_FILE": str(self.key),
            "UNDERSTUDY_STATE_DIR": str(self.directory / "state"),
        }
        return {**inherited, **ours, **self.extra}

    def run(self, *words: str, expect: int = 0) -> Result:
        """Run in this process, which spares a test the start of another; fails unless it ends with `expect`."""
        done = CliRunner().invoke(cli, words, obj=in_process, prog_name="understudy", env=self.environment())
        assert done.exit_code == expect, f"{words} ended with {done.exit_code}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *words: str, expect: int = 0) -> Any:
        """Run with --json; the one document."""
        return json.loads(self.run(*words, "--json", expect=expect).stdout)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Run the installed command in the background, with stdout and stderr on pipes."""
        return subprocess.Popen([COMMAND, *words], env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run_installed(self, *words: str) -> Any:
        """Run the installed command with --json to a good end; its one document."""
        with self.start(*words, "--json") as process:
            output, errors = process.communicate(timeout=60)
            assert process.returncode == 0, f"{words} ended with {process.returncode}\n{output}\n{errors}"
        return json.loads(output)
