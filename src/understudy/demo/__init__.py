"""The demonstration: a real guest is replicated, killed and brought back, driven through the understudy command alone."""
