"""How the runs of a machine as itself are named: one name for each of its starts."""

_LETTERS = 12


def run_named(machine: str, epoch: int) -> str:
    """`machine`: its id. Each start of it has an epoch of its own."""
    return f"{machine[:_LETTERS]}-{epoch}"


def epoch_of(run: str, machine: str) -> int | None:
    """The epoch that the run's start began; None for one that is not of this machine, or not of it as itself."""
    whose, _, number = run.rpartition("-")
    return int(number) if whose == machine[:_LETTERS] and number.isascii() and number.isdigit() else None
