"""Whether a machine that was started from a point is well: by its agent, a port, its console, or a program of the operator's."""
