"""Nothing that a kept point needs can be deleted for a while, by anybody, where the store can lock objects."""
