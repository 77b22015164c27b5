"""A second vault: the same objects in another store, brought on from the first, proven, and promoted when that is lost."""
