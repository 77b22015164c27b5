"""Which points stay."""
