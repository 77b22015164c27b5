"""What the deployment planner says. Pure."""

from rich.table import Table

from understudy.cli.output import columns
from understudy.cli.words import size
from understudy.engine.needs import IntervalNeeds, Needs
from understudy.engine.units import count, duration, line_words

NOTHING = "nothing was counted: watch for longer"


def what_was_seen(needs: Needs) -> str:
    """What the table rests on."""
    figures, told = needs.figures, []
    if needs.watched is not None:
        units = size(needs.watched.granularity)
        told.append(f"{needs.machine} was watched for {duration(needs.watched.seconds)}, in units of {units}")
    if figures.points:
        told.append(f"{needs.machine} has {count(figures.points, 'point')} that tell how it changes")
    if figures.sent is not None:
        told.append(f"{figures.sent:.2f} bytes were stored for each that differed")
    else:
        told.append("how its data compress is not known yet: it is taken as not at all")
    if figures.initial_bytes is not None:
        told.append(f"its first point took {size(figures.initial_bytes)}")
    return "; ".join(told)


def table_of(needs: Needs) -> Table:
    """A line an interval."""
    kept = ["kept by its policy"] if needs.policy is not None else []
    line = [f"RPO over {line_words(needs.line)}"] if needs.line is not None else []
    headings = ["every", "changed", "needs (p95)", "needs (peak)", "a day", *kept, "PUT a month", "GET a month", *line]
    table = columns(*headings, right=tuple(headings))
    for one in needs.intervals:
        bound = "≤ " if one.at_most else ""
        table.add_row(
            duration(one.seconds),
            bound + size(one.changed.mean_bytes),
            bound + line_words(one.p95_rate),
            bound + line_words(one.peak_rate),
            bound + size(one.day_bytes),
            *([f"≤ {size(one.kept_bytes)}"] if one.kept_bytes is not None else []),
            _about(one.puts),
            _about(one.gets),
            *([_rpo(one)] if line else []),
        )
    return table


def advice(needs: Needs) -> str:
    """What to do, in a sentence."""
    chosen = next((one for one in needs.intervals if one.seconds == needs.recommended), None)
    if not needs.intervals:
        return NOTHING
    if chosen is None:
        slowest = needs.intervals[-1]
        return f"this line carries none of it: even every {duration(slowest.seconds)} sends {line_words(slowest.mean_rate)} on average"
    kept = f", and its policy keeps {size(chosen.kept_bytes)} at most" if chosen.kept_bytes is not None else ""
    rpo = f"; over {line_words(needs.line)} that is an RPO of {duration(chosen.rpo_seconds)}" if needs.line and chosen.rpo_seconds else ""
    rate = line_words(chosen.p95_rate)
    return f"every {duration(chosen.seconds)} needs {rate} at the 95th percentile and {size(chosen.day_bytes)} a day{kept}{rpo}"


def _rpo(one: IntervalNeeds) -> str:
    return "falls behind" if one.rpo_seconds is None else duration(one.rpo_seconds)


def _about(number: int) -> str:
    """Three digits of it: 12 000 000."""
    return f"{round(number, -max(len(str(number)) - 3, 0)):,}".replace(",", " ")
