"""A bucket at a real server."""

from collections.abc import AsyncIterator
from pathlib import Path
from secrets import token_hex

import pytest

from tests.faults import FaultyStore
from tests.store.conformance import Conformance
from tests.store.servers import S3_PAGE, Server
from understudy.store.protocol import ObjectStore
from understudy.store.remote.s3 import open_s3
from understudy.store.url import parse_url


class TestS3(Conformance):
    beyond_a_page = S3_PAGE + 30
    rounds = 2

    @pytest.fixture
    async def store(self, s3: Server, tmp_path: Path) -> AsyncIterator[ObjectStore]:
        store = open_s3(parse_url(s3.address("conformance", tmp_path, token_hex(8))))
        yield store
        await store.close()


class TestS3BehindFaults(TestS3):
    @pytest.fixture
    async def store(self, s3: Server, tmp_path: Path) -> AsyncIterator[ObjectStore]:
        store = FaultyStore(open_s3(parse_url(s3.address("conformance", tmp_path, token_hex(8)))))
        yield store
        await store.close()
