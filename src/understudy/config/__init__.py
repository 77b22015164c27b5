"""The daemon's configuration file: what it may say, and what it means."""
