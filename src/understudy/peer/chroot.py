"""What one peer sees of the served store: the names below its prefix, as if there were no others."""

from understudy.errors import InvalidRequest, NotFound
from understudy.model import Data
from understudy.peer.hiding import hiding
from understudy.store.names import MAX_NAME, check_name, is_segment
from understudy.store.protocol import ObjectInfo, ObjectStore


def whole_name(prefix: str, name: str) -> str:
    """What a peer's object is called in the served store. `InvalidRequest` if none may be called so."""
    check_name(name)
    return check_name(f"{prefix}/{name}") if prefix else name


class Chroot:
    """`prefix`: a name, or empty for all. Every name that comes in is checked here, and none goes out that is not below it."""

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store = store
        self._prefix = prefix
        self._root = f"{prefix}/" if prefix else ""

    def whole(self, name: str) -> str:
        return whole_name(self._prefix, name)

    async def get(self, name: str, start: int, length: int | None) -> Data:
        try:
            with hiding():
                return await self._store.get(self.whole(name), start, length)
        except NotFound:
            raise NotFound(f"there is no object {name}") from None

    async def size(self, name: str) -> int | None:
        with hiding():
            found = await self._store.head(self.whole(name))
        return found.size if found is not None else None

    async def delete(self, name: str) -> bool:
        with hiding():
            return await self._store.delete(self.whole(name))

    async def page(self, prefix: str, after: str, most: int) -> tuple[list[ObjectInfo], bool]:
        """So many objects at most, and whether there are more."""
        if len(after) > MAX_NAME or not (after.isascii() and after.isprintable()):
            raise InvalidRequest(f"{after[:80]!r} is no place between names")
        found: list[ObjectInfo] = []
        if not _begins_names(prefix):
            return found, False
        with hiding():
            async for info in self._store.list(self._root + prefix, self._root + after if after else ""):
                if info.name.startswith(self._root):
                    if len(found) == most:
                        return found, True
                    found.append(ObjectInfo(info.name.removeprefix(self._root), info.size))
        return found, False


def _begins_names(prefix: str) -> bool:
    *whole, last = prefix.split("/")
    return len(prefix) <= MAX_NAME and all(map(is_segment, whole)) and (not last or is_segment(f"{last}0"))
