"""A machine that runs here from a point: what holds the point below, an overlay for each disk, the hypervisor's run above."""
