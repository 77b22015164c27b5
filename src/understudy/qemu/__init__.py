"""Talking to a running QEMU: one multiplexed QMP session a VM, a lifeline for when we cannot; and the locks by which it guards images."""
