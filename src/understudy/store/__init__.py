"""Keep objects: one file a kind behind one Protocol."""
