"""What pytest-benchmark wrote of the kernels, the pipeline and single cycles, as the report has it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from bench.report.results import Idle, Kernel, Start


def kernels_of(benchmarks: Iterable[Mapping[str, Any]], *modules: str) -> tuple[Kernel, ...]:
    """Those of some modules that say in extra_info what they are (see bench/conftest.py), beside those of their limits that were measured
    in any."""
    told = [one for one in benchmarks if "what" in one["extra_info"]]
    rates = {(one["extra_info"]["data"], one["extra_info"]["what"]): _rate(one) for one in told}
    return tuple(_kernel(one["extra_info"], _rate(one), rates) for one in told if Path(one["fullname"].partition("::")[0]).stem in modules)


def _rate(one: Mapping[str, Any]) -> float:
    return float(one["extra_info"]["bytes"] / one["stats"]["min"])


def _kernel(extra: Mapping[str, Any], rate: float, rates: Mapping[tuple[str, str], float]) -> Kernel:
    data = extra["data"]
    against = {limit: rate / rates[data, limit] for limit in extra.get("against", ()) if (data, limit) in rates}
    return Kernel(data, extra["what"], rate, extra.get("threads", 1), against, extra.get("beside"))


def idle_of(benchmarks: Iterable[Mapping[str, Any]]) -> tuple[Idle, ...]:
    return tuple(
        msgspec.convert({**one["extra_info"]["idle"], "cycle": one["stats"]["median"]}, Idle)
        for one in benchmarks
        if "idle" in one["extra_info"]
    )


def starts_of(benchmarks: Iterable[Mapping[str, Any]]) -> tuple[Start, ...]:
    return tuple(msgspec.convert(one["extra_info"]["start"], Start) for one in benchmarks if "start" in one["extra_info"])
