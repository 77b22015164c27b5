"""How often a machine's log is looked at, beside its cycles, for what other sites have said in it. Pure."""

BILLED = 10.0
"""Seconds for which what was read counts, where each request costs money and nothing is going on."""
WHOLE = 120.0
"""Seconds after which it is looked again there whether what was read is still in its place, and who is trusted."""


def counts_for(isolation: int, *, billed: bool, calm: bool) -> float:
    """Seconds; 0: it is looked each time. `isolation`: seconds without the vault after which the machine is paused, 0 for never; what was
    read last is what it counts from. `calm`: nothing is asked of this site, and it is the machine's primary, as of the last look."""
    if not (billed and calm):
        return 0.0
    return min(BILLED, isolation / 4) if isolation else BILLED
