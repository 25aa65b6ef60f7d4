"""Losses of the course as evaluated functions; training itself is not simulated."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import InputError

Array = NDArray[np.float64]


def focal_loss(probability: Array, target: Array, alpha: float = 0.25, gamma: float = 2.0) -> float:
    """`sum -alpha_t (1 - p_t)^gamma log p_t / positives` (RetinaNet, Lin et al., arXiv 1708.02002, equation 5).

    `p_t` is p for a positive (target 1) and 1 - p for a negative, `alpha_t` alpha or 1 - alpha; divided by the number
    of positives (at least 1). Arrays of one shape, probabilities strictly between 0 and 1.

    >>> round(focal_loss(np.array([0.9, 0.1]), np.array([1.0, 0.0])), 6)
    0.001054

    Raises:
        InputError: shapes differ, a probability outside (0, 1) or a target that is not 0 or 1.
    """
    if probability.shape != target.shape:
        raise InputError(f"focal loss: probabilities {probability.shape} and targets {target.shape} differ in shape")
    if np.any((probability <= 0) | (probability >= 1)) or np.any((target != 0) & (target != 1)):
        raise InputError("focal loss: probabilities lie strictly between 0 and 1, targets are 0 or 1")
    p = np.where(target == 1, probability, 1 - probability)
    weight = np.where(target == 1, alpha, 1 - alpha)
    total = float(-(weight * (1 - p) ** gamma * np.log(p)).sum())
    return total / max(1.0, float(target.sum()))
