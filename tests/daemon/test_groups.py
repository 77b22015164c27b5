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
    one = house.machine("one")
    assert [disk["name"] for disk in one["disks"]] == ["vda"]
    house.ask("PUT", f"/v1/machines/{one['id']}/policy", {"interval": 5})
    asked_of_one = house.ask("GET", "/v1/events?machine=one&kind=request")["items"]
    assert [event["message"] for event in asked_of_one] == ["policy set one"], "who asked is found by name, also where an id was said"
    assert house.end() == 0
