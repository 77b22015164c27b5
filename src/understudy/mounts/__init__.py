"""Single files of a point: an export below, a throw-away overlay of each disk on it, and the kernel's file systems above."""
