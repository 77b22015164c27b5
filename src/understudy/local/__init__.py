"""The engine inside this process: what a site remembers, who owns a machine here, and each operation over the parts below."""
