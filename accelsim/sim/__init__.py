"""Simulation: a layer as a stream of passes and transfers, two engines with one semantic, and the system level."""
