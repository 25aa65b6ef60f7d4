"""Doors: the only rooms that read and write other people's formats."""
