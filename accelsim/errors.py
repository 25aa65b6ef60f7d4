"""Errors with exit codes. Every message says what was given, where, what was expected and one way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AccelsimError(Exception):
    """Base of every error a user can cause or meet; `exit_code` is what the command line returns."""

    exit_code = 2


class InputError(AccelsimError):
    """The input is wrong (exit code 2)."""


class MappingError(InputError):
    """A mapping is illegal, or no legal mapping of a layer exists on a machine."""


class CutShort(MappingError):
    """A search ended before it found anything: what it has not seen may fit, and may be better."""


class BudgetExceeded(MappingError):
    """Simulating would take more events or memory than the budget allows."""


class CheckFailed(AccelsimError):
    """A conservation law, a verification or a validation band does not hold (exit code 1)."""

    exit_code = 1


def nearest(given: str, options: Iterable[str]) -> str:
    """A hint naming the closest valid names, or listing them when nothing is close.

    >>> nearest("resnet81", ["resnet18", "vgg16"])
    "did you mean 'resnet18'?"
    """
    names = sorted(options)
    close = difflib.get_close_matches(given, names, n=2, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(f"'{name}'" for name in close) + "?"
    return "valid names: " + ", ".join(names)
