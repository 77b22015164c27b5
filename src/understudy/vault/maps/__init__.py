"""Extent maps: which frame holds each block of a point; checkpoints, resolving, reading."""
