"""Each kind of store beside a plain client of the same server, in the same run: `python -m bench.stores [--link [reno|cubic|bbr]] [MIB]`.

The plain client of a bucket is obstore as it comes, of a site aiohttp over the same TLS: one request an object of 8 MiB, eight at once.
It and the store take turns; what counts is the middle one of the rounds' quotients, by the clock and by this process's seconds of
processor. A vault's operations do much more (they read, sign and seal a disk; find out where all is, write and flush a disk, and read it
again), and are told beside it, and beside the same with a vault in a directory, which is what they take by themselves.

With `--link` (takes root) the servers are behind 40 ms of round trip and 1 % of loss, and the plain client has one connection, and objects
of 1 MiB. With sixteen it says what the link, a process of ours, carries at all: where one connection comes near that, because its
congestion control (the system's own, or the one that was named) does not heed losses, nothing can be five times as fast.
"""

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import aiohttp
import obstore
from obstore.store import AzureStore, S3Store

from tests.peer.pair import SiteProcess
from tests.sites.link import ADDRESSES, Line, linked
from tests.store.servers import ACCESS_KEY, ACCOUNT, ACCOUNT_KEY, azurite, s3_server
from understudy.engine import PeerLimits
from understudy.pairing import wire
from understudy.pairing.address import Address
from understudy.pairing.credential import context_of, credential_file
from understudy.pairing.key import RegistrationKey, key_of
from understudy.pairing.tls import SITE
from understudy.peer.authority import authority_here
from understudy.peer.registry import Registry
from understudy.recovery.content import read_point
from understudy.recovery.materialise import materialise
from understudy.recovery.place import Place
from understudy.recovery.verify import verify_points
from understudy.replication.cycle import Replicator
from understudy.source.block import BlockSource
from understudy.store.opening import open_store
from understudy.store.peer.joining import join
from understudy.vault.keys.unlock import KeyFile
from understudy.vault.maps.reading import history_of
from understudy.vault.vault import Vault

MIB = 1 << 20
OBJECT = 8 * MIB
AT_ONCE = 8
ROUNDS = 7
FAR = Line(delay=0.020, loss=0.01)
KINDS = ("s3", "az", "understudy")
CONTROLS = ("reno", "cubic", "bbr")


class Order(NamedTuple):
    """What to talk to. `key`: a site's registration key."""

    kind: str
    endpoint: str
    key: str


class Client(Protocol):
    async def put(self, name: str, data: bytes) -> None: ...

    async def get(self, name: str) -> object: ...


class Bucket:
    """obstore, which keeps what came as it is."""

    def __init__(self, store: S3Store | AzureStore) -> None:
        self._store = store

    async def put(self, name: str, data: bytes) -> None:
        await obstore.put_async(self._store, name, data, use_multipart=False)

    async def get(self, name: str) -> object:
        return await (await obstore.get_async(self._store, name)).bytes_async()


class Site:
    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base

    async def put(self, name: str, data: bytes) -> None:
        async with self._session.put(f"{self._base}{wire.OBJECTS}{name}", data=data, server_hostname=SITE) as answer:
            assert answer.status == 200, await answer.text()

    async def get(self, name: str) -> object:
        async with self._session.get(f"{self._base}{wire.OBJECTS}{name}?start=0", server_hostname=SITE) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.read()


@asynccontextmanager
async def plain_client(order: Order, state: Path) -> AsyncIterator[Client]:
    kind, endpoint, _ = order
    options = {"allow_http": True}
    if kind == "az":
        yield Bucket(AzureStore("plain", account_name=ACCOUNT, account_key=ACCOUNT_KEY, endpoint=endpoint, client_options=options))
    elif kind == "s3":
        keys = {name.replace("-", "_"): value for name, value in ACCESS_KEY.items()}
        yield Bucket(S3Store("plain", endpoint=endpoint, region="us-east-1", client_options=options, **keys))
    else:
        host, _, port = endpoint.rpartition(":")
        address = Address(host, int(port))
        context = context_of(credential_file(state, address), address)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
            yield Site(session, f"https://{endpoint}")


def address_of(order: Order, state: Path) -> str:
    """Of the container `vault`; a file of credentials is made where one is needed."""
    kind, endpoint, _ = order
    if kind == "understudy":
        return f"understudy://{endpoint}"
    keys = state / f"{kind}.toml"
    keys.touch(mode=0o600)
    said = ACCESS_KEY if kind == "s3" else {"account-key": ACCOUNT_KEY}
    keys.write_text("".join(f'{name} = "{value}"\n' for name, value in said.items()))
    return f"{kind}://vault?endpoint={endpoint}{f'&account={ACCOUNT}' * (kind == 'az')}&credentials={keys}"


def tell(what: str, rate: float, said: str = "") -> None:
    print(f"  {what:42} {rate:8.2f} MiB/s{said and '   '}{said}", flush=True)


async def rate(what: str, mib: float, work: Awaitable[object], beside: float = 0.0, local: float = 0.0) -> float:
    """`local`: as fast as it is with a directory."""
    began, before = time.monotonic(), processor()
    await work
    found = mib / (time.monotonic() - began)
    said = f"{f'x{found / beside:.2f}' if beside else '':6} {1e3 * (processor() - before) / mib:5.1f} ms of processor a MiB"
    tell(what, found, said + (f"   x{found / local:.2f} of a directory's" if local else ""))
    return found


async def many(work: Callable[[int], Awaitable[object]], count: int, at_once: int) -> None:
    slots = asyncio.Semaphore(at_once)

    async def one(number: int) -> None:
        async with slots:
            await work(number)

    await asyncio.gather(*(one(number) for number in range(count)))


def processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def beside(order: Order, state: Path, mib: int) -> tuple[float, float]:
    """The store and the plain client in turns; the plain client's rates."""
    data, count = os.urandom(OBJECT), mib * MIB // OBJECT
    store = open_store(address_of(order, state), state, make=True)
    spent: dict[str, list[tuple[float, float]]] = {}

    async def timed(what: str, work: Callable[[int], Awaitable[object]]) -> None:
        began, before = time.monotonic(), processor()
        await many(work, count, AT_ONCE)
        spent.setdefault(what, []).append((time.monotonic() - began, processor() - before))

    async with plain_client(order, state) as client:
        for turn in range(ROUNDS + 1):
            # A site has one place for both; what a bucket has is replaced.
            mine, theirs = f"ours/{turn}-", f"plain/{turn * bool(order.key)}-"
            turns = [
                ("puts", lambda number, mine=mine: store.create(f"{mine}{number}", [data])),
                ("plain puts", lambda number, theirs=theirs: client.put(f"{theirs}{number}", data)),
                ("gets", lambda number, mine=mine: store.get(f"{mine}{number}")),
                ("plain gets", lambda number, theirs=theirs: client.get(f"{theirs}{number}")),
            ]
            for pair in (turns[:2], turns[2:]):
                for what, work in pair if turn % 2 else reversed(pair):
                    await timed(what, work)
            if not turn:
                spent.clear()  # connections are open now
            await many(lambda number, mine=mine: store.delete(f"{mine}{number}"), count, AT_ONCE)
            await emptied(order, state)
    await store.close()
    rates = {what: mib / statistics.median(seconds for seconds, _ in found) for what, found in spent.items()}
    for what in ("puts", "gets"):
        pairs = list(zip(spent[what], spent[f"plain {what}"], strict=True))
        clock, cpu = (statistics.median(plain[i] / ours[i] for ours, plain in pairs) for i in (0, 1))
        tell(f"plain {what} of 8 MiB, 8 at once", rates[f"plain {what}"])
        tell(f"the store's {what}", rates[what], f"x{clock:.2f}   by processor x{cpu:.2f}")
    return rates["plain puts"], rates["plain gets"]


async def emptied(order: Order, state: Path) -> None:
    """Of a site, which has one place for all."""
    if order.key:
        store = open_store(address_of(order, state), state)
        found = [info.name async for info in store.list("")]
        await many(lambda number: store.delete(found[number]), len(found), AT_ONCE)
        await store.close()


async def vault_beside(
    address: str, directory: Path, mib: int, up: float = 0.0, down: float = 0.0, local: Sequence[float] = (0.0,) * 4
) -> list[float]:
    """`up`, `down`: the plain client's rates. `local`: what this gave for a directory."""
    disk = directory / "disk"
    with disk.open("wb") as file:
        for _ in range(mib):
            file.write(os.urandom(MIB))
    vault = await Vault.create(open_store(address, directory, make=True), KeyFile(bytes(32)), state=directory / "state")
    log = await vault.protect("machine", "here")
    replicator = Replicator(vault, log, BlockSource({"vda": str(disk)}), directory / "machine", "here")
    await replicator.open()
    rates = [await rate("the first point of a disk", mib, replicator.cycle(), up, local[0])]
    with disk.open("r+b") as file:
        for at in range(0, mib, 4):
            file.seek(at * MIB)
            file.write(os.urandom(MIB))
    rates += [await rate("a cycle that finds a quarter changed", mib / 4, replicator.cycle(), up, local[1])]
    await replicator.close()
    history, newest = history_of(vault, log), log.state.newest
    assert newest is not None
    point = newest.point.id.hex()

    async def forgotten(_: str) -> None:
        return None

    async def restored() -> None:
        await materialise(await read_point(history, point), {"vda": Place(directory / "restored", "raw")}, forgotten)

    rates += [await rate("its restore", mib, restored(), down, local[2])]
    rates += [await rate("its verification, by digest", mib, verify_points(history, [point], "digest"), down, local[3])]
    assert (directory / "restored").read_bytes() == disk.read_bytes()
    await vault.close()
    return rates


async def near(order: Order, state: Path, mib: int) -> None:
    if order.key:
        await join(key_of(order.key), state)
    up, down = await beside(order, state, mib)
    await emptied(order, state)
    print("  a vault in a directory", flush=True)
    local = await vault_beside(f"file://{state}/vault", state / "local", mib)
    print("  a vault there", flush=True)
    await vault_beside(address_of(order, state), state, mib, up, down, local)


async def far(order: Order, state: Path, mib: int) -> None:
    if order.key:
        await join(key_of(order.key), state)
    data = os.urandom(MIB)
    async with plain_client(order, state) as client:
        await client.put("plain/warm", b"x")
        few = max(4, mib // 12)
        up = await rate("one connection's puts", few, many(lambda number: client.put(f"plain/{number}", data), few, 1))
        down = await rate("one connection's gets", few, many(lambda number: client.get(f"plain/{number}"), few, 1))
        await rate("sixteen connections' puts", mib, many(lambda number: client.put(f"plain/many-{number}", data), mib, 16), up)
        await rate("sixteen connections' gets", mib, many(lambda number: client.get(f"plain/many-{number}"), mib, 16), down)
    await emptied(order, state)
    await vault_beside(address_of(order, state), state, mib, up, down)


@contextmanager
def serving(kind: str, host: str) -> Iterator[Order]:
    """A server with the containers that are wanted."""
    # What a site serves is in memory, where there is such a directory: else its disk is all that is measured.
    memory = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="understudy-", dir=memory) as name:
        directory = Path(name)
        if kind != "understudy":
            with (s3_server if kind == "s3" else azurite)(directory, host) as server:
                for container in ("plain", "vault"):
                    server.make(container)
                yield Order(kind, server.endpoint, "")
            return
        site = SiteProcess(directory / "there", directory / "vault")
        site.given["host"] = host
        try:
            port, registry = site.start(), Registry(directory / "there")
            peer, secret = registry.invite("peer", PeerLimits(maintenance=True))
            registry.close()
            pin = authority_here(directory / "there", "there").pin
            yield Order(kind, f"{host}:{port}", str(RegistrationKey(Address(host, port), pin, peer.id, secret)))
        finally:
            site.stop()


def ask(order: Order, mib: int, *, link: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="understudy-") as name:
        (Path(name) / "local").mkdir()
        asyncio.run((far if link else near)(order, Path(name), mib))


def over_a_link(kind: str, mib: int, control: str) -> None:
    command = [sys.executable, "-m", "bench.stores"]
    with linked(FAR) as link:
        for host in ADDRESSES if control else ():
            subprocess.run([*link.command(host), "sysctl", "-qw", f"net.ipv4.tcp_congestion_control={control}"], check=True)
        serve = [*link.command("b"), *command, "serve", kind, ADDRESSES["b"]]
        with subprocess.Popen(serve, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            subprocess.run([*link.command("a"), *command, "ask", server.stdout.readline(), str(mib)], check=True)
            server.communicate("")


def main(arguments: list[str]) -> None:
    match arguments:
        case ["serve", kind, host]:
            with serving(kind, host) as order:
                print(json.dumps(order), flush=True)
                sys.stdin.read()
        case ["ask", order, mib]:
            ask(Order(*json.loads(order)), int(mib), link=True)
        case _:
            numbers = [int(word) for word in arguments if word.isdecimal()]
            kinds = [word for word in arguments if word in KINDS] or list(KINDS)
            control = next((word for word in arguments if word in CONTROLS), "")
            for kind in kinds:
                if "--link" in arguments:
                    print(f"{kind}, over {FAR.delay * 2e3:g} ms and {FAR.loss:.0%} loss, {control or 'as the system has it'}", flush=True)
                    over_a_link(kind, (numbers or [48])[0], control)
                    continue
                print(kind, flush=True)
                with serving(kind, "127.0.0.1") as order:
                    ask(order, (numbers or [64])[0], link=False)


if __name__ == "__main__":
    main(sys.argv[1:])
