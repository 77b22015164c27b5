"""A real QEMU with disks, written from outside, byte for byte."""

import pytest

from tests.source.conformance import Conformance
from tests.source.machine import Machine


@pytest.fixture
def rig(two_disks: Machine) -> Machine:
    return two_disks


class TestQemu(Conformance):
    pass
