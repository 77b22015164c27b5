"""Read a machine's changes: one file a kind behind one Protocol."""
