"""Bringing a machine up somewhere else."""
