"""Traffic: closed-form counts of the words a mapping moves."""

from accelsim.traffic.counts import count, count_point, stored_words
from accelsim.traffic.factors import Factors

__all__ = ["Factors", "count", "count_point", "stored_words"]
