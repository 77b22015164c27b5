"""What is put around the instant of a freeze."""

import secrets
from contextlib import asynccontextmanager

import pytest

from tests.source.conformance import padded, whole
from understudy.errors import SourceUnavailable
from understudy.source.protocol import Wish


async def test_it_is_entered_when_all_is_prepared_and_left_after_the_instant(two_disks):
    machine, seen = two_disks, []

    def around(name):
        @asynccontextmanager
        async def context(moment):
            assert {node["node-name"] for node in await machine.execute("query-named-block-nodes", flat=True)} >= {"us-0123456789ab-0-view"}
            seen.append(f"{name} in, {len(await machine.execute('query-jobs'))} jobs")
            await machine.write("vda", 0, 4096, 0x33)
            moment.consistency, moment.downgrade = "crash", f"{name} says why"
            yield
            seen.append(f"{name} out, {len(await machine.execute('query-jobs'))} jobs")

        return context

    source = machine.source()
    source.around += [around("outer"), around("inner")]
    await source.recover(None)
    snapshot = await source.freeze(secrets.token_hex(16), None, Wish(app_consistent=True))
    assert seen == ["outer in, 0 jobs", "inner in, 0 jobs", "inner out, 2 jobs", "outer out, 2 jobs"]
    assert (snapshot.consistency, snapshot.downgrade) == ("crash", "inner says why")
    contents = await machine.contents()
    assert (contents["vda"][:4096] == 0x33).all()
    assert (await whole(snapshot.disks[0]) == padded(contents["vda"])).all()
    await source.release(True)
    await source.remove()
    await source.close()
    assert await machine.leftovers() == []


@pytest.mark.parametrize("when", ["before", "after"])
async def test_its_failure_fails_the_freeze_and_leaves_nothing(two_disks, when):
    @asynccontextmanager
    async def context(moment):
        if when == "after":
            yield
        raise SourceUnavailable("no")
        yield

    source = two_disks.source()
    source.around.append(context)
    await source.recover(None)
    with pytest.raises(SourceUnavailable, match="no"):
        await source.freeze(secrets.token_hex(16), None)
    assert await two_disks.leftovers() == []
    await source.close()
