"""The NBD protocol without I/O, and an asyncio client for it."""
