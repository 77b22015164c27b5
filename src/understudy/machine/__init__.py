"""What a machine is made of, apart from what its disks hold: plain values that every layer may read."""
