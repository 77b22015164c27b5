"""An `ObjectStore` over a bucket or container, through obstore.

Each request is made once: what is tried again, and when, is for who knows what it is for. A create that is repeated below would answer
that the object exists where our own first request made it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, MemoryStore, S3Store

from understudy.errors import NotFound, StoreRefused, StoreUnavailable, UnderstudyError
from understudy.finish import finish
from understudy.model import BytesLike, Data
from understudy.store.names import check_name, is_segment
from understudy.store.protocol import Capabilities, Creation, ObjectInfo
from understudy.store.remote.failures import Failure, no_credentials, read_failure, timed_out, translate, without_credentials

PATIENCE = 30.0  # seconds until an answer begins
SLOWEST = 32 << 10  # bytes a second, of one request beside as many as are worth it; what goes more slowly has got stuck
CHUNK = 256  # names that are taken over from a page at once
_FAILURES = (BaseError, OSError, NotImplementedError)


class RemoteStore:
    """Objects below a prefix. `server`: its name, for people. `place`: the bucket or container, as in an address."""

    def __init__(
        self,
        store: S3Store | AzureStore | MemoryStore,
        capabilities: Capabilities,
        server: str,
        place: str,
        prefix: str = "",
        complaint: Callable[[], UnderstudyError | None] | None = None,
        advice: str = "",
    ) -> None:
        """`complaint`: why there are no credentials, where that is known better than a server can know it. `advice`: what to look at first
        where the server does not find its way."""
        self._store: S3Store | AzureStore | MemoryStore | None = store
        self._capabilities = capabilities
        self.server = server
        self._prefix = prefix + "/" * bool(prefix)
        self._place = f"{place}/{self._prefix}"
        self._complaint = complaint
        self._advice = advice
        self._let_in = False
        """Whether there were credentials for a request at least once."""

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    async def create(self, name: str, buffers: Sequence[BytesLike]) -> Creation:
        """One request, whatever the size: not every server heeds the condition where an upload of several parts is completed."""
        check_name(name)
        views = [memoryview(buffer).cast("B") for buffer in buffers if len(buffer)]  # type: ignore[arg-type]
        seconds = PATIENCE + sum(map(len, views)) / SLOWEST
        try:
            async with asyncio.timeout(seconds):
                await self._put(self._prefix + name, views)
        except TimeoutError:
            raise timed_out(self.server, f"create {self._place}{name}", seconds) from None
        except _FAILURES as error:
            failure = read_failure(error)
            if failure.exists:
                return Creation.EXISTS
            raise self._translated(failure, f"create {self._place}{name}") from error
        finally:
            await finish(_let_go(views))
        self._let_in = True
        return Creation.CREATED

    async def get(self, name: str, start: int = 0, length: int | None = None) -> Data:
        check_name(name)
        if length == 0:
            if await self.head(name) is None:
                raise self._not_found(name)
            return b""
        found = await self._range(name, start, length)
        if found is None:
            raise self._not_found(name)
        return found[0]

    async def head(self, name: str) -> ObjectInfo | None:
        """Reads the first byte: the answer to a HEAD request does not say whether it is the object that is missing or all of the bucket."""
        check_name(name)
        found = await self._range(name, 0, 1)
        return None if found is None else ObjectInfo(name, found[1])

    async def list(self, prefix: str, start_after: str = "") -> AsyncIterator[ObjectInfo]:
        """A page (S3: 1000 names, Azure: 5000) is a request, asked for when it is reached. The first begins where it must on S3 and on
        Azure, whatever else is in the bucket; Azurite begins at the directory of the prefix.
        """
        store, last = self._opened(), ""
        if start_after > prefix and not start_after.startswith(prefix):
            return
        directory = _sound(prefix.rpartition("/")[0])
        # Servers take whole segments for a prefix. The name before the first that is wanted leads there just as well.
        offset = _sound(max(start_after, prefix[:-1]))
        root, whole = self._prefix + directory, self._prefix + offset
        stream = obstore.list(store, root.rstrip("/") or None, offset=whole if whole > root else None, chunk_size=CHUNK)
        while True:
            try:
                async with asyncio.timeout(PATIENCE):
                    chunk = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise timed_out(self.server, f"list {self._place}{prefix}", PATIENCE) from None
            except _FAILURES as error:
                raise self._translated(read_failure(error), f"list {self._place}{prefix}") from error
            self._let_in = True
            for found in chunk:
                name = found["path"][len(self._prefix) :]
                if name <= last:
                    raise self._disorder(last, name)
                last = name
                if name.startswith(prefix):
                    if name > start_after and all(map(is_segment, name.split("/"))):
                        yield ObjectInfo(name, found["size"])
                elif name > prefix:
                    return

    async def delete(self, name: str) -> bool:
        """Two requests: a server that is asked to delete what is not there says that it did."""
        if await self.head(name) is None:
            return False
        store, key = self._opened(), self._prefix + name
        try:
            async with asyncio.timeout(PATIENCE):
                await obstore.delete_async(store, key)
        except TimeoutError:
            raise timed_out(self.server, f"delete {self._place}{name}", PATIENCE) from None
        except FileNotFoundError:
            return False  # another was faster
        except _FAILURES as error:
            raise self._translated(read_failure(error), f"delete {self._place}{name}") from error
        return True

    async def close(self) -> None:
        self._store = None

    async def _put(self, key: str, views: Sequence[memoryview]) -> None:
        await obstore.put_async(self._opened(), key, views, mode="create", use_multipart=False)

    async def _range(self, name: str, start: int, length: int | None) -> tuple[Data, int] | None:
        """The bytes, and the size of the whole; None if there certainly is no such object.

        A range is always asked for, even if it is everything: its answer says how long the object is beside how much of it comes.
        """
        store, key, what = self._opened(), self._prefix + name, f"get {self._place}{name}"
        try:
            async with asyncio.timeout(PATIENCE):
                options = {"range": {"offset": start} if length is None else (start, start + length)}
                result = await obstore.get_async(store, key, options=options)  # type: ignore[arg-type]
            self._let_in = True
            size, (first, end) = result.meta["size"], result.range
            async with asyncio.timeout(PATIENCE + (end - first) / SLOWEST):
                data = memoryview(await result.bytes_async())
        except TimeoutError:
            raise timed_out(self.server, what, PATIENCE) from None
        except _FAILURES as error:
            failure = read_failure(error)
            self._let_in = self._let_in or failure.absent
            if failure.absent:
                return None
            if failure.past_the_end:
                return b"", start
            raise self._translated(failure, what) from error
        if first != start or len(data) != end - first or end != (size if length is None else min(size, start + length)):
            raise StoreUnavailable(
                f"{what}: {self.server} was asked for bytes {start} to {'the end' if length is None else start + length}, "
                f"and gave {len(data)} from {first} on of {size}",
                hint="is there a proxy before it that keeps or changes answers?",
            )
        return data, size

    def _opened(self) -> S3Store | AzureStore | MemoryStore:
        if self._store is None:
            raise StoreUnavailable(f"the store at {self._place} is closed")
        return self._store

    def _not_found(self, name: str) -> NotFound:
        return NotFound(f"there is no object {name} in {self._place}")

    def _translated(self, failure: Failure, what: str) -> UnderstudyError:
        complaint = self._complaint and self._complaint()
        if complaint:
            return complaint
        if without_credentials(failure):
            return no_credentials(failure, self.server, self._capabilities.kind, self._let_in)
        self._let_in = True
        return translate(failure, self.server, what, self._advice)

    def _disorder(self, last: str, name: str) -> StoreRefused:
        return StoreRefused(
            f"{self.server} lists {self._place} out of order: {name} after {last}",
            hint="a vault needs names in byte order: use a general purpose bucket, or an account without hierarchical namespace",
        )


def _sound(text: str) -> str:
    """The leading segments of which a name may be made; never sorts after `text`."""
    segments: list[str] = []
    for segment in text.split("/"):
        if not is_segment(segment):
            break
        segments.append(segment)
    return "/".join(segments)


async def _let_go(views: Sequence[memoryview]) -> None:
    """Returns when nothing reads these any more: a request that was given up ends on another thread, a moment later."""
    for view in views:
        while True:
            try:
                view.release()
                break
            except BufferError:
                await asyncio.sleep(0.001)
