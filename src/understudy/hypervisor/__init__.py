"""Running a machine on this host: one Protocol, a room of its own for each kind behind it."""
