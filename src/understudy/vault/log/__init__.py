"""The append-only log: records, the append protocol, fencing, the rollback guard, and the fold to a state."""
