"""Every acceptance run of failover and of killed servers, one after another, or one: `make endure ARGS="rounds 2 --vault s3"`."""

import subprocess
import sys

RUNS = (
    ("rounds", "10"),
    ("rounds", "3", "--unplanned"),
    ("plan",),
    ("kills", "--seconds", "3600"),
    ("returns", "--seconds", "2400"),
    ("servers", "--seconds", "1200"),
)


def main() -> None:
    """Each in a process of its own, since one that ends badly must not keep the others from being run."""
    asked = tuple(sys.argv[1:])
    failed = []
    for name, *words in [asked] if asked else RUNS:
        if subprocess.run([sys.executable, "-m", f"tests.endurance.{name}", *words], check=False).returncode:
            failed.append(" ".join([name, *words]))
    if failed:
        sys.exit(f"did not hold: {'; '.join(failed)}")


if __name__ == "__main__":
    main()
