"""Two hosts on one machine: network namespaces, joined by a link that has a delay, loses packets, has a rate, and can be cut.

The kernel's own means (netem) are not everywhere; so each packet goes from one namespace's tun device to the other's through a process
of ours. It needs root and /dev/net/tun.
"""

import ctypes
import fcntl
import json
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random

ADDRESSES = {"a": "10.213.0.1", "b": "10.213.0.2"}
MTU = 1500
_TUNSETIFF, _TUN, _NO_PI = 0x400454CA, 0x0001, 0x1000
_QUEUE = 2000  # packets: what a router would keep before it drops


@dataclass(frozen=True)
class Line:
    """`delay`: seconds one way. `loss`: of packets, 0 to 1, each way. `rate`: bytes a second each way, 0: as fast as it goes."""

    delay: float = 0.0
    loss: float = 0.0
    rate: int = 0
    cut: bool = False


@dataclass
class Link:
    """Of two namespaces, `a` and `b`."""

    namespaces: dict[str, str]
    line: Line
    process: "subprocess.Popen[str]"

    def command(self, host: str) -> tuple[str, ...]:
        """What runs a program on this host: it replaces itself by the program."""
        return ("ip", "netns", "exec", self.namespaces[host])

    def become(self, line: Line) -> None:
        """From when this returns."""
        self.line = line
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asdict(line)) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "so\n"

    def cut(self) -> None:
        """Nothing arrives, and nobody is told: not a closed connection, but one on which nothing is heard."""
        self.become(replace(self.line, cut=True))

    def heal(self) -> None:
        self.become(replace(self.line, cut=False))


@contextmanager
def linked(line: Line) -> Iterator[Link]:
    """The namespaces and what is between them, gone at the end with what the caller has left in them unharmed."""
    names = {host: f"us-{os.getpid()}-{host}" for host in ADDRESSES}
    made = []
    try:
        for name in names.values():
            _ip("netns", "add", name)
            made.append(name)
            _ip("-n", name, "link", "set", "lo", "up")
        command = [sys.executable, "-m", "tests.sites.link", *names.values()]
        root = Path(__file__).parents[2]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "so\n"
                link = Link(names, line, process)
                link.become(line)
                yield link
            finally:
                process.kill()
    finally:
        for name in made:
            _ip("netns", "del", name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL)


# What runs in a process of its own.


@dataclass
class _Way:
    """From one device to the other: packets with the instants at which they are to arrive."""

    source: int
    target: int
    free: float = 0.0
    """When the line has sent what it has taken so far."""
    queue: deque[tuple[float, bytes]] = field(default_factory=deque)

    def take(self, now: float, line: Line, random: Random) -> None:
        while True:
            try:
                packet = os.read(self.source, 65536)
            except BlockingIOError:
                return
            if line.cut or (line.loss and random.random() < line.loss) or len(self.queue) >= _QUEUE:
                continue
            self.free = max(self.free, now) + (len(packet) / line.rate if line.rate else 0.0)
            self.queue.append((self.free + line.delay, packet))

    def give(self, now: float, line: Line) -> None:
        while self.queue and self.queue[0][0] <= now:
            packet = self.queue.popleft()[1]
            if not line.cut:
                os.write(self.target, packet)


def _device(namespace: str, address: str) -> int:
    """A tun device there; the process itself stays where it is."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if libc.setns(there, 0):
        raise OSError(ctypes.get_errno(), "setns")
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", b"wan", _TUN | _NO_PI))
    if libc.setns(home, 0):
        raise OSError(ctypes.get_errno(), "setns")
    os.close(home)
    os.close(there)
    _ip("-n", namespace, "addr", "add", f"{address}/24", "dev", "wan")
    _ip("-n", namespace, "link", "set", "wan", "up", "mtu", str(MTU), "txqueuelen", str(_QUEUE))
    return device


def _run(namespaces: list[str]) -> None:
    a, b = (_device(name, address) for name, address in zip(namespaces, ADDRESSES.values(), strict=True))
    ways, line, random = (_Way(a, b), _Way(b, a)), Line(), Random(1)
    print("so", flush=True)
    while True:
        soonest = min((way.queue[0][0] for way in ways if way.queue), default=None)
        readable, _, _ = select.select([0, a, b], [], [], None if soonest is None else max(0.0, soonest - time.monotonic()))
        if 0 in readable:
            said = sys.stdin.readline()
            if not said:
                return
            line = Line(**json.loads(said))
            print("so", flush=True)
        now = time.monotonic()
        for way in ways:
            if way.source in readable:
                way.take(now, line, random)
            way.give(now, line)


if __name__ == "__main__":
    _run(sys.argv[1:])
