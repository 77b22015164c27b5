"""What Prometheus reads is read by its own library here."""

from typing import get_args

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from tests.api.fake_service import FakeService, status
from understudy.api.metrics import Metrics, StoreRequests, StoreUse, machine_metrics
from understudy.engine import Health, Phase

ODD = 'a "b"\\n\\\n{c}=,'


def _values(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """By a sample's name, then by the values of its labels."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            known = found.setdefault(sample.name, {})
            values = tuple(sample.labels.values())
            assert values not in known, sample
            known[values] = sample.value
    return found


async def test_everything_is_read_as_it_was_meant() -> None:
    metrics = Metrics()
    metrics.answered("GET", "/v1/health", 200, 0.003)
    found = _values(metrics.text(await FakeService().health(), [status("web"), status("db")]).decode())
    assert found["understudy_machine_rpo_seconds"] == {("web", status("web").id): 3.25, ("db", status("db").id): 3.25}
    assert found["understudy_api_requests_total"] == {("GET", "/v1/health", "200"): 1.0}
    assert sum(found["understudy_health"].values()) == 1.0
    assert found["understudy_machines"].keys() == {()}


async def test_requests_to_the_store_are_told_by_what_came_of_them() -> None:
    ended = (StoreRequests("get", "done", 3, 0.5), StoreRequests("get", "unavailable", 1, 9.0))
    found = _values(Metrics(lambda: StoreUse(ended, 100, 7)).text(await FakeService().health(), []).decode())
    assert found["understudy_store_requests_total"] == {("get", "done"): 3.0, ("get", "unavailable"): 1.0}
    assert found["understudy_store_request_seconds_total"] == {("get", "done"): 0.5, ("get", "unavailable"): 9.0}
    assert found["understudy_store_sent_bytes_total"] == {(): 100.0}
    assert found["understudy_store_received_bytes_total"] == {(): 7.0}


def test_what_is_not_known_is_left_out() -> None:
    fresh = status("web", rpo_seconds=None, newest_frozen_at=None, next_at=None, pending_bytes=0)
    found = _values(machine_metrics([fresh, status("db")]))
    assert [name for name, _ in found["understudy_machine_rpo_seconds"]] == ["db"]
    assert [name for name, _ in found["understudy_machine_next_cycle_timestamp_seconds"]] == ["db"]
    assert [name for name, _ in found["understudy_machine_pending_bytes"]] == ["web"]


def test_one_state_of_each_kind_holds() -> None:
    found = _values(machine_metrics([status("web", health="critical", phase="paused")]))
    for name, states, now in (("health", get_args(Health), "critical"), ("phase", get_args(Phase), "paused")):
        samples = found[f"understudy_machine_{name}"]
        assert {state: value for (*_, state), value in samples.items()} == {state: float(state == now) for state in states}


def test_counters_and_gauges_are_told_apart() -> None:
    kinds = {family.name: family.type for family in text_string_to_metric_families(machine_metrics([status("web")]))}
    assert kinds["understudy_machine_cycles"] == "counter"
    assert kinds["understudy_machine_points"] == "gauge"
    assert all(family.documentation for family in text_string_to_metric_families(machine_metrics([])))


def test_no_name_breaks_the_form() -> None:
    odd = msgspec.structs.replace(status("web"), name=ODD)
    found = _values(machine_metrics([odd, status("db")]))
    assert {name for name, _ in found["understudy_machine_points"]} == {ODD, "db"}
    assert {name for name, *_ in found["understudy_machine_health"]} == {ODD, "db"}
