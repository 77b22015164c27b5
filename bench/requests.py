"""What a daemon's cycles ask of an object server, and what that costs a month: `.venv/bin/python -m bench.requests`.

A real daemon follows a file that changes, with its vault at a real S3 server, whose own log is counted: some 50 s.
"""

import random
import re
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.daemon.house import House
from tests.store.servers import s3_server

SECONDS = 30
MONTH = 30 * 86400
# US dollars for a thousand requests, and for a GiB kept for a month: the list prices of S3 Standard in us-east-1.
# Those of Azure's hot tier in East US are the same but for what is kept there (0.018).
PRICE = {"PUT": 0.005, "LIST": 0.005, "GET": 0.0004, "DELETE": 0.0}
KEPT = 0.023
_REQUEST = re.compile(r'"([A-Z]+) (\S+) HTTP')


def asked(log: str) -> Counter[str]:
    """Requests by what is paid for them."""
    lines = _REQUEST.findall(re.sub(r"\x1b\[[0-9;]*m", "", log))
    return Counter("LIST" if method == "GET" and "list-type=" in path else "GET" if method == "HEAD" else method for method, path in lines)


def followed(directory: Path) -> tuple[Counter[str], int]:
    """The requests of so many cycles, each of which had something to store."""
    with s3_server(directory) as server:
        house = House(directory, {"interval": "2s", "verify-every": "0"}, address=server.address("bench", directory))
        house.create()
        image, chance = directory / "disk.img", random.Random(1)
        image.write_bytes(chance.randbytes(4 << 20))
        house.host.run("protect", "web", "--disk", f"vda={image}")
        house.start()
        try:
            house.points("web", 2)
            log, end = directory / "moto.log", time.monotonic() + SECONDS
            begun, before = len(log.read_text()), len(house.host.json("points", "web")["points"])
            counted = len(log.read_text()) - begun  # what the command itself has asked
            while time.monotonic() < end:
                with image.open("r+b") as disk:
                    disk.seek(chance.randrange(3 << 20))
                    disk.write(chance.randbytes(1 << 16))
                time.sleep(0.5)
            requests = asked(log.read_text()[begun + counted :])
            return requests, len(house.host.json("points", "web")["points"]) - before
        finally:
            house.end()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="us-") as directory:
        requests, cycles = followed(Path(directory))
    each = {kind: requests[kind] / cycles for kind in PRICE}
    dollars = sum(each[kind] * PRICE[kind] / 1000 for kind in PRICE)
    print(f"{cycles} cycles: " + ", ".join(f"{number:.1f} {kind}" for kind, number in each.items()) + " each")
    for words, interval in (("10 s", 10), ("1 min", 60), ("5 min", 300), ("15 min", 900)):
        print(f"a cycle each {words:>6}: {MONTH // interval:7} a month, {dollars * MONTH / interval:6.2f} US dollars a machine")
    print(f"and {KEPT * 100:.2f} for every 100 GiB that are kept")


if __name__ == "__main__":
    main()
