"""Talking to a running QEMU: one multiplexed QMP session a VM."""
