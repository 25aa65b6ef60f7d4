"""Places in the unit cube from a seed: independent, or one in each slice of every axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Cube = NDArray[np.float64]


def random_cube(points: int, dimensions: int, seed: int) -> Cube:
    """(points, dimensions) shares in [0, 1), independent."""
    return np.random.Generator(np.random.PCG64(seed)).random((points, dimensions))


def latin_hypercube(points: int, dimensions: int, seed: int) -> Cube:
    """(points, dimensions) shares in [0, 1): each of `points` equal slices of every axis holds exactly one.

    McKay, Beckman and Conover, Technometrics 21(2), 1979.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    cube = np.empty((points, dimensions))
    for k in range(dimensions):
        cube[:, k] = (generator.permutation(points) + generator.random(points)) / points
    return cube
