"""Groups in the daemon: whose machines another job has wait for it."""

from tests.daemon.house import House
from tests.daemon.test_serve import block


def test_groups_with_members_in_common_wait_for_each_other(house: House) -> None:
    house.start()
    for name in ("one", "two"):
        block(house, name)
    groups = {"forth": ["one", "two"], "back": ["two", "one"]}
    for group, members in groups.items():
        house.ask("POST", "/v1/groups", {"name": group, "machines": members})
    asked = [house.ask("POST", f"/v1/groups/{group}/replicate", {})["id"] for group in (*groups, *groups)]

    def ended() -> list[str]:
        states = [house.ask("GET", f"/v1/jobs/{job}")["state"] for job in asked]
        return states if not {"pending", "running", "waiting"}.intersection(states) else []

    assert house.until(ended) == ["succeeded"] * 4
    assert [disk["name"] for disk in house.machine("one")["disks"]] == ["vda"]
    assert house.end() == 0
