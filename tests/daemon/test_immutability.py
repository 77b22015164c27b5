"""A daemon that holds a machine's points in a bucket with object lock, a thief, and what is told of it."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from tests.daemon.house import House, Line
from tests.daemon.test_serve import block
from tests.store.locking import DAY, LockServer
from understudy.cli.main import cli, in_process


def test_points_are_held_a_theft_is_told_and_undone(short: Path, lock_server: LockServer) -> None:
    house = House(short, address=lock_server.bucket("watched"), policy={"interval": "1s", "verify-every": "0", "immutable": "1d"})
    house.create()
    house.start()
    try:
        watch(house, lock_server.client)
    finally:
        house.end()


def text(house: House, path: str) -> str:
    line = Line(house.socket)
    line.request("GET", path)
    found = line.getresponse().read().decode()
    line.close()
    return found


def watch(house: House, client: Any) -> None:
    def immutable(seconds: float) -> Any:
        """As it stands once it was looked after by that policy."""
        return house.until(lambda: found if (found := house.machine("web")["immutable"]) and found["seconds"] == seconds else None)

    def reasons() -> list[str]:
        return [reason["code"] for reason in house.machine("web")["reasons"]]

    def set_policy(seconds: float) -> Any:
        house.ask("PUT", "/v1/machines/web/policy", {"interval": 3600, "verify_every": 0, "immutable": seconds})
        return immutable(seconds) if seconds else None

    block(house, "web")
    house.points("web", 1)
    held = set_policy(2 * DAY)
    assert held["objects"] >= held["locked"] > 0
    assert "locked-late" in reasons()
    (event, *_) = house.events("immutability.held")
    assert "is locked" in event["message"]
    # On a busy host it may have more to say, and ends with another status then.
    shown = CliRunner().invoke(cli, ("status", "web", "--socket", str(house.socket)), obj=in_process, env=house.host.environment()).stdout
    assert "objects locked until" in shown
    assert "immutable for 2 d" in shown
    metrics = text(house, "/metrics")
    assert f'understudy_machine_immutable_wanted_seconds{{machine="web",id="{house.machine("web")["id"]}"}} {2 * DAY}' in metrics
    assert "understudy_machine_immutable_until_timestamp_seconds{" in metrics
    points = json.loads(house.host.run("points", "web", "--json", "--socket", str(house.socket)).stdout)["points"]
    assert points[0]["immutable_until"] == held["until"]
    assert "immutable until" in house.host.run("points", "web", "--socket", str(house.socket)).stdout

    (slot,) = client.list_objects_v2(Bucket="watched", Prefix="a/vault/keys/")["Contents"]
    client.delete_object(Bucket="watched", Key=slot["Key"])
    found = set_policy(3 * DAY)
    assert (found["covered"], found["names"]) == (1, [slot["Key"].removeprefix("a/vault/")])
    assert "covered" in reasons()
    assert house.machine("web")["health"] == "critical"
    assert len(house.events("immutability.covered")) == 1
    done = house.host.run("vault", "uncover", "--vault", house.address).stdout
    assert "1 locked one deleted or overwritten by somebody came back" in done
    assert "1 key slot" in done
    assert set_policy(4 * DAY)["covered"] == 0
    assert "covered" not in reasons()
    set_policy(0)
    house.until(lambda: house.machine("web")["immutable"] is None)
