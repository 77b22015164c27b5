"""The store that another site serves."""
