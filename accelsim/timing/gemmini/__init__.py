"""Gemmini: cycles of a tiled layer on its scratchpad, DMA, mesh and memory system, from the loops the software runs."""
