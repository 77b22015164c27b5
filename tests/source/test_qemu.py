"""A real QEMU with disks, written from outside, byte for byte, by each method of freezing."""

import pytest

from tests.source.conformance import Conformance
from tests.source.machine import METHODS, Machine
from understudy.source.qemu_method import BREAK_SNAPSHOT, FLEECING, PUSH, Wanted


class TestFleecing(Conformance):
    @pytest.fixture
    def rig(self, two_disks: Machine) -> Machine:
        two_disks.wanted = Wanted(FLEECING)
        return two_disks


if BREAK_SNAPSHOT in METHODS:

    class TestBreakSnapshot(Conformance):
        @pytest.fixture
        def rig(self, two_disks: Machine) -> Machine:
            two_disks.wanted = Wanted(BREAK_SNAPSHOT, allow_pause=True)
            return two_disks


class TestPush(Conformance):
    @pytest.fixture
    def rig(self, two_disks: Machine) -> Machine:
        two_disks.wanted = Wanted(PUSH)
        return two_disks
