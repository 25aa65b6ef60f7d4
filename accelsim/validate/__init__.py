"""Comparisons with things made elsewhere."""
