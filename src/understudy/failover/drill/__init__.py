"""Test failovers: that a machine would come up from its points is proven by doing it."""
