"""Buckets and containers of object servers, through obstore."""
