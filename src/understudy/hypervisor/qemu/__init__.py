"""Machines as QEMU processes of their own."""
