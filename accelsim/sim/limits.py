"""What simulating may take: events visited one by one, and memory for listing them."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.errors import BudgetExceeded, InputError

PASS_BYTES = 400  # of tables while a pass, its segment and its transfers are listed; measured, rounded up
MOST_BYTES = 8_000_000_000  # by default


@dataclass(frozen=True)
class Limits:
    """Budgets of one stream.

    Attributes:
        events: array passes or segments that are visited one by one; None for any number.
        memory_bytes: tables of what is listed.
    """

    events: int | None = None
    memory_bytes: int = MOST_BYTES

    def __post_init__(self) -> None:
        if self.events is not None and self.events < 1:
            raise InputError(f"event budget {self.events}: expected a whole number above 0")
        if self.memory_bytes < PASS_BYTES:
            raise InputError(f"memory budget {self.memory_bytes} bytes: expected at least {PASS_BYTES} bytes")

    def allow(self, events: int) -> bool:
        """May so many events be listed?"""
        try:
            self.check("events", events, "")
        except BudgetExceeded:
            return False
        return True

    def check(self, what: str, events: int, remedy: str) -> None:
        """So many events are about to be listed; `what` they are, and the `remedy` besides a larger budget.

        Raises:
            BudgetExceeded: they are too many, or take too much memory.
        """
        if self.events is not None and events > self.events:
            raise BudgetExceeded(
                f"{events:,} {what} would be simulated one by one, above the event budget of {self.events:,} "
                f"(--max-events); {remedy}"
            )
        need = events * PASS_BYTES
        if need > self.memory_bytes:
            raise BudgetExceeded(
                f"{events:,} {what} would be listed in about {need:,} bytes, above the memory budget of "
                f"{self.memory_bytes:,} (--max-memory); {remedy}"
            )
