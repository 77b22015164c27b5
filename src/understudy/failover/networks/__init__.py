"""What a machine's network cards are joined to where it comes up, and how its guest learns of it."""
