"""The hot path: Cython kernels over caller-owned numpy buffers. No policy, no allocation, no GIL inside."""
