"""A small crowd through what `make load` does with a large one."""

from argparse import Namespace
from pathlib import Path

from tests.daemon.load import play


async def test_a_crowd_comes_through_kills_and_clocks(short: Path) -> None:
    asked = Namespace(machines=6, guests=0, minutes=0.05, kills=2, jump=2.0, rate=5.0, restore=2)
    assert await play(short, asked, (1, 2), timed=False) == []
