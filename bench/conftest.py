"""After the benchmarks, a table of every kernel beside the limits measured in the same run. Times are reported, never asserted."""

from typing import Any

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """A benchmark says what it is in extra_info: data, what, bytes, and (if it is no limit) against, the names of its limits."""
    session = getattr(config, "_benchmarksession", None)
    _idle(terminalreporter, session)
    _start(terminalreporter, session)
    measured = [bench for bench in session.benchmarks if "what" in bench.extra_info] if session else []
    if not measured:
        return
    rate = {(b.extra_info["data"], b.extra_info["what"]): b.extra_info["bytes"] / b.stats.min / 1e9 for b in measured}
    write = terminalreporter.write_line
    terminalreporter.section("kernels beside their limits (GB/s of plain data, best round)")
    write(f"{'data':10} {'kernel':28} {'GB/s':>8}   limits in this run")
    for bench in measured:
        data, what, against = (bench.extra_info.get(name) for name in ("data", "what", "against"))
        known = [name for name in against or () if (data, name) in rate]
        ratios = [f"{name} {rate[data, name]:.2f} -> x{rate[data, what] / rate[data, name]:.2f}" for name in known]
        if len(known) > 1:
            together = 1 / sum(1 / rate[data, name] for name in known)
            ratios.append(f"all of them {together:.2f} -> x{rate[data, what] / together:.2f}")
        if "beside" in bench.extra_info:
            ratios.insert(0, f"in turn with {against[0]} x{bench.extra_info['beside']:.2f}")
        write(f"{data:10} {what:28} {rate[data, what]:8.2f}   {'; '.join(ratios)}")


def _idle(terminalreporter: pytest.TerminalReporter, session: Any) -> None:
    """`idle` in extra_info: the disk and its form; seconds beyond QEMU's own (median, most), processor seconds, syncs, bytes resident."""
    measured = [bench for bench in session.benchmarks if "idle" in bench.extra_info] if session else []
    if measured:
        terminalreporter.section("idle cycles: beyond the time that QEMU takes for its answers")
    for bench in measured:
        told = bench.extra_info["idle"]
        beyond = f"{told['beyond'] * 1e3:5.1f} ms (at most {told['most'] * 1e3:.1f}) of {bench.stats.median * 1e3:.1f}"
        said = f"{beyond}, {told['cpu'] * 1e3:.1f} ms of a processor, {told['syncs']:g} syncs, {told['resident'] >> 20} MiB resident"
        terminalreporter.write_line(f"{bench.param:12} {said}")


def _start(terminalreporter: pytest.TerminalReporter, session: Any) -> None:
    """`start` in extra_info: seconds until a guest's kernel speaks from a point, by the hypervisor alone, and until it is drained."""
    measured = [bench for bench in session.benchmarks if "start" in bench.extra_info] if session else []
    if measured:
        terminalreporter.section("starting from a point: beside the hypervisor alone")
    for bench in measured:
        took, alone, drained = (bench.extra_info["start"][name] for name in ("took", "alone", "drained"))
        said = f"{took:5.2f} s, the hypervisor alone {alone:.2f} s -> {took - alone:.2f} s beyond it, x{took / alone:.1f}"
        terminalreporter.write_line(f"{bench.param:12} {said}; drained in {drained:.2f} s")
