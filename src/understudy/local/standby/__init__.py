"""Local images of a machine's disks, kept at a point of it; and what is put aside where images are brought back to one."""
