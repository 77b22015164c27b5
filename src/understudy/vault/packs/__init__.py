"""Packs: sealed frames and their index, written and read."""
