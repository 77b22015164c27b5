"""A container at a real server."""

from collections.abc import AsyncIterator
from pathlib import Path
from secrets import token_hex

import pytest

from tests.faults import FaultyStore
from tests.store.conformance import Conformance
from tests.store.servers import Server
from understudy.store.protocol import ObjectStore
from understudy.store.remote.azure import open_azure
from understudy.store.url import parse_url


class TestAzure(Conformance):
    beyond_a_page = 130
    rounds = 2

    @pytest.fixture
    async def store(self, az: Server, tmp_path: Path) -> AsyncIterator[ObjectStore]:
        store = open_azure(parse_url(az.address("conformance", tmp_path, token_hex(8))))
        yield store
        await store.close()


class TestAzureBehindFaults(TestAzure):
    @pytest.fixture
    async def store(self, az: Server, tmp_path: Path) -> AsyncIterator[ObjectStore]:
        store = FaultyStore(open_azure(parse_url(az.address("conformance", tmp_path, token_hex(8)))))
        yield store
        await store.close()
