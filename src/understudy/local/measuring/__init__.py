"""What this host, its disks and a vault can do, measured: bounded in time, memory and what is written, and leaving nothing."""
