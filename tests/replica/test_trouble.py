"""What keeps a replica from starting is told, and does not keep it from starting once it is put right."""

from typing import Any, cast

import msgspec
import pytest

from tests.hypervisor.stage import WAITS
from tests.replica.conftest import MIB, House, unseen
from tests.small import ROOT, small
from understudy.daemon.runs_here import RunsHere
from understudy.errors import Conflict, InvalidRequest, NotFound, StateFailed, StoreUnavailable
from understudy.hypervisor.protocol import Status

FILLS = """
dd if=/dev/zero bs=1M count=12 2>/dev/null | tr '\\0' x | dd of=/dev/vda bs=1M seek=8 conv=fsync 2>/dev/null || echo "@error"
echo "@filled"
"""


async def test_what_is_put_right_starts(house: House) -> None:
    await house.protect(vda=2 * MIB)
    seed = house.root / "seed.iso"
    seed.write_bytes(bytes(4096))
    order, replicas = house.order(WAITS, seed=str(seed)), house.replicas
    kernel = order.definition.kernel
    assert kernel is not None
    gone = msgspec.structs.replace(kernel, image=str(house.root / "gone"))
    lacking = msgspec.structs.replace(order, definition=msgspec.structs.replace(order.definition, kernel=gone))
    (house.root / "vault").rename(house.root / "elsewhere")
    with pytest.raises(StoreUnavailable):
        await replicas.start(lacking, unseen)
    (house.root / "elsewhere").rename(house.root / "vault")
    with pytest.raises(InvalidRequest, match="gone is not here"):
        await replicas.start(lacking, unseen)
    with pytest.raises(NotFound, match="no point"):
        await replicas.start(msgspec.structs.replace(order, point="00" * 16), unseen)
    # Nobody's guest had run: the order may be another one.
    state = await replicas.start(order, unseen)
    assert (state.vm.status, await house.held()) == (Status.RUNNING, 1)
    with pytest.raises(Conflict, match="something else"):
        await replicas.start(lacking, unseen)
    # Given up, it is not started again, and its point is held for what it wrote.
    kept = await replicas.keep("web-1")
    assert await replicas.keep("web-1") == kept
    state = await replicas.state("web-1")
    assert (state.vm.status, state.serving, state.kept, await house.held()) == (Status.ABSENT, False, True, 1)
    assert [path.name for path in kept.iterdir()] == ["vda.qcow2"]
    assert not seed.exists()
    with pytest.raises(Conflict, match="kept"):
        await replicas.start(order, unseen)
    await replicas.remove("web-1")
    assert await house.held() == 0


async def test_nothing_serves_a_run_that_was_given_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who kept it was killed in the midst of that."""
    await house.protect(vda=2 * MIB)
    replicas, run = house.replicas, f"{house.machine[:12]}-2"
    await replicas.start(order := house.order(WAITS, run, track=True), unseen)

    async def killed(*_: object) -> None:
        raise StateFailed("it is ended")

    with monkeypatch.context() as patch:
        patch.setattr(replicas, "_exports", replicas._exports._replace(end=killed))
        with pytest.raises(StateFailed):
            await replicas.keep(run)
    state = await replicas.state(run)
    assert (state.vm.alive, state.serving, state.kept) == (False, True, True)
    nobody = cast(Any, None)
    assert await RunsHere(nobody, replicas, nobody).look([house.machine]) == ""
    state = await replicas.state(run)
    assert (state.serving, state.kept, await house.held()) == (False, True, 1)
    # Who wants to see what it wrote serves its point again.
    await replicas._exports.begun(order)
    assert await RunsHere(nobody, replicas, nobody).look([house.machine]) == ""
    assert (await replicas.state(run)).serving
    await replicas.remove(run)


@pytest.mark.skipif(not ROOT, reason="mounting needs root")
@pytest.mark.parametrize("below", ["export", "image", "nothing"])
async def test_a_guest_waits_for_room(house: House, below: str) -> None:
    await house.protect(vda=32 * MIB)
    with small(house.root / "s" / "replicas", "8M") as place:
        lent = {"vda": str(house.images["vda"])} if below == "image" else {}
        order, replicas = house.order(FILLS + WAITS, below=lent), house.replicas
        place.fill()
        with pytest.raises(StateFailed):
            await replicas.start(order, unseen)
        place.empty()
        await replicas.start(order, unseen)
        await house.stage.until("web-1", lambda state: state.status is Status.STORAGE_ERROR)
        place.remount("size=64M")
        if below == "nothing":
            await replicas.drain("web-1", unseen)
            # Whether it may run here is its site's to know.
            assert await replicas.mend() == []
            assert (await replicas.state("web-1")).vm.status is Status.STORAGE_ERROR
            await replicas.resume("web-1")
        else:
            (mended,) = await replicas.mend()
            assert (mended.words, mended.failure) == ("it was set going again", None)
        assert "@error" not in await house.stage.says("web-1", "@filled")
        await replicas.remove("web-1")
        assert list(place.path.iterdir()) == []
