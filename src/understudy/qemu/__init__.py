"""Talking to a running QEMU: one multiplexed QMP session a VM; and the locks by which it guards its images."""
