"""Serving a store to other sites: who they are, what each may do, and the server that holds them to it."""
