"""Durable jobs and events in a local SQLite file: a cache beside the vault."""
