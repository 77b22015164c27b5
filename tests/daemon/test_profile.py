"""A daemon counts a machine's changes while it replicates it: neither is in the other's way, whatever is killed."""

import signal
import time
from typing import Any

from tests.daemon.house import House
from tests.source.machine import MIB, Machine, blockdev

HOUR = {"seconds": 3600.0, "every": 0.2}


async def records(vm: Machine) -> list[str]:
    return [name for name in await vm.leftovers() if "understudy-profile-" in name]


def begun(house: House, body: dict[str, float]) -> str:
    job: str = house.ask("POST", "/v1/machines/vm/profile", body, status=202)["id"]
    return job


def ended(house: House, job: str) -> Any:
    return house.until(lambda: found if (found := house.ask("GET", f"/v1/jobs/{job}"))["ended_at"] else None)


async def until_there(vm: Machine, *, there: bool) -> None:
    end = time.monotonic() + 60
    while bool(await records(vm)) != there:
        assert time.monotonic() < end, await vm.leftovers()


async def test_a_machine_is_watched_while_it_is_replicated(house: House) -> None:
    vm = Machine(house.directory, [blockdev(house.directory, "vda", "qcow2", 8 * MIB)])
    await vm.start()
    try:
        house.start()
        house.ask("POST", "/v1/machines", {"name": "vm", "source": {"kind": "qemu", "qmp": vm.qmp}})
        house.points("vm", 2)

        first = begun(house, {"seconds": 2.0, "every": 0.4})
        await until_there(vm, there=True)
        await vm.write("vda", 0, MIB, 7)
        seen = ended(house, first)
        assert (seen["state"], seen["result"]["granularity"]) == ("succeeded", 4096), seen
        spans = seen["result"]["spans"]
        assert [span["seconds"] for span in spans] == [0.4, 0.8]
        # What is written in the moment between QEMU's answer and its order is counted by none.
        assert spans[0]["peak_bytes"] <= MIB
        assert await records(vm) == []

        second = begun(house, HOUR)
        await until_there(vm, there=True)
        house.end(signal.SIGKILL)
        assert await records(vm) != []
        house.start()
        house.until(lambda: house.ask("GET", f"/v1/jobs/{second}")["attempts"] == 2)
        before = house.machine("vm")["points"]
        state = house.points("vm", before + 2)
        assert (state["health"], state["newest_point"] is not None) == ("normal", True), state
        house.ask("POST", f"/v1/jobs/{second}/cancel")
        assert ended(house, second)["state"] == "cancelled"
        assert await records(vm) == []

        third = begun(house, HOUR)
        await until_there(vm, there=True)
        assert house.end() == 0
        assert await records(vm) == []
        house.start()
        house.ask("POST", f"/v1/jobs/{third}/cancel")
        causes = {point["cause"] for point in house.ask("GET", "/v1/machines/vm/points")["points"]}
        assert causes == {"initial", "delta"}, "no track was lost by it"
    finally:
        await vm.kill()
