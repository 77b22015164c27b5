"""The command line: one command a file, over the Engine facade."""
