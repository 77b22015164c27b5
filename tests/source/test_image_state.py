"""What is known of an image file, as a table."""

import pytest

from understudy.source.file_facts import Facts
from understudy.source.image_chain import Chain, chain, keeps_records
from understudy.source.image_state import Happening, Stage, State, after

OPEN, WRITE, CLOSE, LEAVE, LOST = Happening.OPEN, Happening.WRITE, Happening.CLOSE, Happening.LEAVE, Happening.LOST
FACTS = Facts(1, 2, 3, 4)


def state(stage: Stage, *happenings: Happening) -> State:
    found = State(stage, "/disk", FACTS)
    for happening in happenings:
        found = after(found, happening)
    return found


@pytest.mark.parametrize(
    ("stage", "happenings", "then"),
    [
        (Stage.HELD, [OPEN, LEAVE], Stage.HELD),
        (Stage.HELD, [CLOSE], Stage.CLOSED),
        (Stage.HELD, [OPEN, CLOSE, LEAVE], Stage.CLOSED),
        (Stage.CLOSED, [OPEN], Stage.DOUBTED),
        (Stage.CLOSED, [WRITE], Stage.DOUBTED),
        (Stage.CLOSED, [CLOSE], Stage.DOUBTED),
        (Stage.FREE, [OPEN], Stage.OPENING),
        (Stage.FREE, [WRITE], Stage.DOUBTED),
        (Stage.FREE, [CLOSE], Stage.DOUBTED),
        (Stage.FREE, [LEAVE], Stage.FREE),
        (Stage.OPENING, [OPEN, WRITE, LEAVE], Stage.OPENING),
        (Stage.OPENING, [WRITE, CLOSE], Stage.DOUBTED),
        (Stage.OPENED, [OPEN, WRITE, LEAVE], Stage.OPENED),
        (Stage.OPENED, [CLOSE], Stage.DOUBTED),
        *((stage, [LOST], Stage.DOUBTED) for stage in Stage),
        *((Stage.DOUBTED, [happening], Stage.DOUBTED) for happening in Happening),
    ],
)
def test_what_is_known_after_what_happened(stage: Stage, happenings: list[Happening], then: Stage) -> None:
    assert state(stage, *happenings).stage is then


def test_closings_that_may_have_been_told_as_one() -> None:
    assert not state(Stage.HELD, CLOSE).stirred
    assert state(Stage.HELD, OPEN, CLOSE).stirred
    assert state(Stage.HELD, OPEN, LEAVE, CLOSE).stirred
    assert not state(Stage.HELD, OPEN, CLOSE, LEAVE).stirred
    assert state(Stage.HELD, OPEN, CLOSE, LEAVE, CLOSE).stage is Stage.DOUBTED


def test_the_first_reason_counts() -> None:
    doubted = state(Stage.FREE, WRITE)
    assert "somebody wrote to /disk" in doubted.reason
    assert after(doubted, LOST) == doubted == doubted.doubted("another")


def node(name: str, driver: str, file: str, **image: object) -> dict[str, object]:
    return {"node-name": name, "drv": driver, "file": file, "ro": False, "image": {"filename": file, **image}}


def graph(*edges: tuple[str, str, str]) -> dict[str, object]:
    names = list(dict.fromkeys(name for parent, child, _ in edges for name in (parent, child)))
    drivers = [{"id": names.index(name), "type": "block-driver", "name": name} for name in names]
    return {
        "nodes": [*drivers, {"id": 99, "type": "block-backend"}],
        "edges": [{"parent": names.index(parent), "child": names.index(child), "name": edge} for parent, child, edge in edges]
        + [{"parent": 99, "child": 0, "name": "root"}],
    }


def test_the_files_of_an_image() -> None:
    nodes = [
        node("top", "qcow2", "/top"),
        node("top-file", "file", "/top"),
        node("data", "file", "/data"),
        node("base", "raw", "/base"),
        node("base-file", "file", "/base"),
    ]
    edges = graph(("top", "top-file", "file"), ("top", "data", "data-file"), ("top", "base", "backing"), ("base", "base-file", "file"))
    found = chain(nodes, edges, "top")
    assert isinstance(found, Chain)
    assert sorted(found.files) == ["/base", "/data", "/top"]
    renamed = [{**entry, "node-name": f"#{entry['node-name']}"} for entry in nodes]
    again = {**edges, "nodes": [{**entry, "name": f"#{entry['name']}"} if "name" in entry else entry for entry in edges["nodes"]]}
    assert chain(renamed, again, "#top") == found
    nodes[3]["image"] = {"filename": 'json:{"driver":"raw","offset":512}'}
    other = chain(nodes, edges, "top")
    assert isinstance(other, Chain)
    assert (other.files, other.shape == found.shape) == (found.files, False)


@pytest.mark.parametrize(("driver", "file"), [("host_device", "/dev/vg/disk"), ("nbd", "nbd://host/disk"), ("file", "disk.qcow2")])
def test_images_that_nobody_can_vouch_for(driver: str, file: str) -> None:
    nodes = [node("top", "qcow2", file), node("below", driver, file)]
    assert "its image is not" in chain(nodes, graph(("top", "below", "file")), "top")


def test_images_with_room() -> None:
    assert keeps_records(node("a", "qcow2", "/a", **{"format-specific": {"data": {"compat": "1.1"}}}))
    assert not keeps_records(node("a", "qcow2", "/a", **{"format-specific": {"data": {"compat": "0.10"}}}))
    assert not keeps_records({**node("a", "qcow2", "/a", **{"format-specific": {"data": {"compat": "1.1"}}}), "ro": True})
    assert not keeps_records(node("a", "raw", "/a"))
