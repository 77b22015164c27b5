"""What a machine's networks come to, in words."""

from collections.abc import Sequence

from rich.table import Table

from understudy.cli.output import Output, columns
from understudy.cli.words import size
from understudy.engine import Look, MappedNic, ShownNetworks
from understudy.engine.units import count


def networks_told(output: Output, shown: ShownNetworks) -> None:
    """A table of each kind of start, and below what is in the way."""
    output.say(f"{shown.machine}: runs at {shown.site or 'no site yet'}", style="bold")
    own = shown.own
    here = [f"name {own.name}"] if own.name else []
    here += [count(own.cpus, "processor")] if own.cpus else []
    here += [f"{size(own.memory)} of memory"] if own.memory else []
    if here:
        output.say(f"  here: {', '.join(here)}")
    for kind, nics, uuid, findings in (
        ("failover", shown.failover, own.failover.uuid or "keep", shown.findings),
        ("test", shown.test, own.test.uuid or "new", shown.test_findings),
    ):
        output.say()
        output.say(f"in a {kind} ({'the same' if uuid == 'keep' else 'a new'} UUID)", style="bold")
        output.table(_table(nics)) if nics else output.say("no network card is known")
        looks_told(output, [found for found in findings if found.verdict != "pass"])


def looks_told(output: Output, found: Sequence[Look]) -> None:
    """A line each, and one with what to do."""
    for one in found:
        output.say(f"{one.verdict}: {one.words}", style={"warn": "yellow", "fail": "bold red"}.get(one.verdict, ""))
        if one.hint:
            output.say(f"  {one.hint}")


def _table(nics: Sequence[MappedNic]) -> Table:
    table = columns("card", "there", "here", "MAC", "addresses", "gateway", "DNS")
    for nic in nics:
        given = (" ".join(nic.addresses), nic.gateway, " ".join(nic.servers))
        table.add_row(nic.nic, nic.source or "-", nic.network or "not mapped", nic.mac or "new", *(text or "-" for text in given))
    return table
