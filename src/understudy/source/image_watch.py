"""Vouching for it that nobody else wrote to a VM's images from one QEMU to the next.

While a QEMU runs its images are held in view, and when it has closed them until the next one's opening is confirmed, by one process
without a break. Nothing of this is recorded for a later process: what the host lost with its power no file would show.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from understudy.source.file_facts import Process
from understudy.source.image_chain import Chain
from understudy.source.image_events import why_not
from understudy.source.image_files import ImageFiles
from understudy.source.image_state import Stage

UNWATCHED = "nobody watched its images while it was down: that takes a process that replicates it all the time (--every)"
OTHERWISE = "its image is not opened as it was before: from other files, or with other options"
RETRY = 30.0
"""Seconds after which it is tried again to vouch for what could not be."""


@dataclass(frozen=True, slots=True)
class _Watched:
    files: ImageFiles
    process: Process
    """The QEMU that had them when this began."""
    began: float
    chains: Mapping[str, tuple[str, ...]]
    """Paths by shape."""
    records: dict[str, frozenset[str]] = field(default_factory=dict)
    """By shape: names of records that follow every write."""


class ImageWatch:
    """Of one VM."""

    def __init__(self) -> None:
        self._watched: _Watched | None = None
        self._blind = ""
        """Why its images could not be watched the last time that it was tried."""

    async def hold(self, holder: Process, disks: Sequence[Chain | str], records: Sequence[Collection[str]]) -> list[str]:
        """`holder` has these images open, and every write of its to them is in these records (their names), until it closes them.

        For each disk why nobody can vouch for it; empty: we can.
        """
        chains = {chain.shape: chain.files for chain in disks if isinstance(chain, Chain)}
        watched = self._watched
        if watched is not None:
            await watched.files.calm()
        if watched is None or not _holds(watched, holder, chains):
            await self.close()
            try:
                files = ImageFiles()
            except OSError as error:
                self._blind = f"nobody watched its images while it was down: {why_not(error)}"
                return [f"its images cannot be watched: {why_not(error)}"] * len(disks)
            self._blind = ""
            watched = self._watched = _Watched(files, holder, time.monotonic(), chains)
            await files.take(holder, {path: None for paths in chains.values() for path in paths})
            files.start()
        reasons = []
        for chain, names in zip(disks, records, strict=True):
            reasons.append(chain if isinstance(chain, str) else watched.files.doubt(chain.files))
            if isinstance(chain, Chain):
                watched.records[chain.shape] = frozenset(names)
        return reasons

    async def confirm(self, holder: Process, disks: Sequence[tuple[Chain | str, str]]) -> list[str]:
        """`holder` has opened these images, and follows its writes to them in records of these names, as it found them there.

        For each why it is not sure that nobody else wrote in between; empty: it is.
        """
        watched = self._watched
        if watched is None:
            return [chain if isinstance(chain, str) else self._blind or UNWATCHED for chain, _ in disks]
        await watched.files.settled()
        reasons = [await _confirmed(watched, holder, chain, record) for chain, record in disks]
        # Those who were gone when it was looked who is there are told of now.
        await watched.files.alone(holder)
        return [
            reason or ("" if isinstance(chain, str) else _last(watched.files, chain))
            for reason, (chain, _) in zip(reasons, disks, strict=True)
        ]

    def knows(self, process: Process) -> bool:
        """Whether it is the QEMU that was seen here last."""
        return self._watched is not None and self._watched.process == process

    async def close(self) -> None:
        """Idempotent."""
        watched, self._watched = self._watched, None
        if watched is not None:
            await watched.files.close()


async def _confirmed(watched: _Watched, holder: Process, chain: Chain | str, record: str) -> str:
    if isinstance(chain, str):
        return chain
    if watched.chains.get(chain.shape) != chain.files:
        return watched.files.doubt([path for paths in watched.chains.values() for path in paths]) or OTHERWISE
    if doubt := watched.files.doubt(chain.files):
        return doubt
    if record not in watched.records[chain.shape]:
        return "its record of changes is not one that was followed when the VM ended"
    for path in chain.files:
        if reason := await watched.files.has(holder, path):
            return reason
    return ""


def _holds(watched: _Watched, holder: Process, chains: Mapping[str, tuple[str, ...]]) -> bool:
    return watched.process == holder and watched.chains == chains and (watched.files.held or time.monotonic() < watched.began + RETRY)


def _last(files: ImageFiles, chain: Chain) -> str:
    return files.doubt(chain.files) or next(
        (f"{path} is being opened by somebody else" for path in chain.files if files.state(path).stage is Stage.OPENING), ""
    )
