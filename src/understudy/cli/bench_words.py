"""What a host can do, in words. Pure."""

from rich.table import Table

from understudy.cli.output import columns
from understudy.cli.words import size
from understudy.engine.capacity import Bench, Capacity, Latency
from understudy.engine.units import duration

SCRATCH = "64 MiB"
STORED = "256 MiB"


def about_to(request: Bench) -> str:
    """What will be written, beforehand."""
    scratch = f"{SCRATCH} of scratch space in {request.state_dir}" if request.disk is None else f"a block in {request.state_dir}"
    vault = f", and {STORED} at most in {request.vault}" if request.vault is not None else ""
    stays = ", where what cannot be deleted again stays" if vault and request.leave else ""
    return f"this takes some {duration(request.seconds)} and writes {scratch}{vault}{stays}"


def shown(found: Capacity) -> list[Table | str]:
    """What was measured."""
    measured = found.measured
    read, encoding, storing = measured.reading, measured.encoding, measured.storing
    cached = "" if read.direct else ", perhaps from the host's cache"
    rows = [
        (f"reading {read.path}{cached}", f"{_rate(read.in_sequence)} in sequence, {_rate(read.scattered)} in scattered pieces of 64 KiB"),
        ("unchanged data, compared", f"{_rate(encoding.unchanged_1)} by one thread, {_rate(encoding.unchanged_2)} by two"),
        (
            "changed data, compressed and sealed",
            f"{_rate(encoding.changed_1)} by one thread, {_rate(encoding.changed_2)} by two, to {encoding.ratio:.2f} ({encoding.sample})",
        ),
        ("flushing the state directory", _latency(measured.sync)),
    ]
    if storing is not None:
        rows += [(f"storing a small object in {storing.url}", _latency(storing.create)), ("getting one", _latency(storing.get))]
        if storing.put_rate is not None and storing.get_rate is not None:
            rates = f"{_rate(storing.put_rate)} stored, {_rate(storing.get_rate)} got"
            rows.append((f"objects of 4 MiB, {storing.at_once} at once", rates))
        else:
            rows.append(("objects of 4 MiB", "not measured: nothing may be deleted here again (--leave stores them all the same)"))
    else:
        rows.append(("the vault", "not measured: none is named (--vault URL)"))
    table = columns("", "", wrapped=("",))
    table.show_header = False
    for what, words in rows:
        table.add_row(what, words)
    return [table, ""]


def table_of(found: Capacity) -> Table:
    """A line an interval."""
    table = columns(
        "every", "churn sustained", "RPO at that", "RPO at a tenth", right=("every", "churn sustained", "RPO at that", "RPO at a tenth")
    )
    for one in found.sustained:
        if one.churn is None or one.rpo_seconds is None or one.calm_rpo_seconds is None:
            table.add_row(duration(one.seconds), "none", f"a cycle takes {duration(found.cycle_seconds)}", "")
        else:
            table.add_row(duration(one.seconds), _rate(one.churn), duration(one.rpo_seconds), duration(one.calm_rpo_seconds))
    return table


def verdict(found: Capacity) -> str:
    """What bounds it."""
    one = next((one for one in found.sustained if one.seconds == 10), found.sustained[-1])
    if one.churn is None or one.rpo_seconds is None:
        return f"a cycle takes {duration(found.cycle_seconds)} however little it carries: ask for longer intervals, or mend what waits"
    return f"every {duration(one.seconds)} this carries {_rate(one.churn)} of changes; what bounds it is {found.bottleneck}"


def _rate(rate: float) -> str:
    return f"{size(rate)}/s"


def _latency(found: Latency) -> str:
    return f"{_short(found.median_seconds)}, 95 of 100 within {_short(found.p95_seconds)}"


def _short(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else duration(seconds)
