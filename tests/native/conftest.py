"""Every test of a kernel that takes `provider` runs over both: the wheels' libraries and the system's."""

from collections.abc import Iterator

import pytest

from understudy.native import capi


@pytest.fixture(params=["wheel", "system"])
def provider(request: pytest.FixtureRequest) -> Iterator[str]:
    capi.bind(request.param)
    yield request.param
    capi.bind("wheel")
