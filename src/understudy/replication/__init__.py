"""From a machine's changed blocks to a recovery point: plan (pure), cycle, local signature files and their journal."""
