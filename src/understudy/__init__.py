"""understudy: a stand-in ready for every virtual machine on a Linux host."""

__version__ = "0.1.0"
