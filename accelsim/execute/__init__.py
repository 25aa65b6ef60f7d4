"""Executors: operators on arrays (reference), mappings on arrays (tiled), and PE registers."""
