"""A point's disks as devices that can be read, and written beside, without a restore."""
