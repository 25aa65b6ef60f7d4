"""Where in the demand of a fold the n-th word stands.

A fold demands words of a block either skewed (column j starts j rows later) or, for the words that stay in the array,
row by row in reverse. Cycles and rows of the demand are the same thing: nothing stalls.
"""

from __future__ import annotations

from bisect import bisect_left


def _triangle(n: int) -> int:
    return n * (n + 1) // 2 if n > 0 else 0


def skew_count(length: int, cols: int, rows: int) -> int:
    """Words in the first `rows` rows of a skewed block of `cols` columns of `length` words.

    >>> [skew_count(3, 2, rows) for rows in range(5)]
    [0, 1, 3, 5, 6]
    """
    both = _triangle(rows - length - cols)
    return _triangle(rows) - _triangle(rows - cols) - _triangle(rows - length) + both


def skew_row(length: int, cols: int, nth: int) -> int:
    """Row (from 0) of the n-th word (from 1) of a skewed block."""
    return bisect_left(range(length + cols), nth, key=lambda row: skew_count(length, cols, row + 1))


def edge(total: int, size: int, index: int) -> int:
    """Size of chunk `index` of `total` things in chunks of `size`."""
    return min(size, total - index * size)


def repeated_skew(total: int, size: int, length: int, nth: int) -> tuple[int, int]:
    """(fold, row in its block) of the n-th word where the chunks of `total` columns are walked over and over.

    Each fold is a skewed block of up to `size` columns of `length` words.
    """
    whole, rest = divmod(nth - 1, total * length)
    chunk = rest // (size * length)
    row = skew_row(length, edge(total, size, chunk), rest - chunk * size * length + 1)
    return whole * -(-total // size) + chunk, row


def reversed_once(rows: int, cols: int, array_rows: int, array_cols: int, nth: int) -> tuple[int, int]:
    """(fold, row) of the n-th word of a rows x cols matrix loaded block by block, last row of a block first.

    Blocks run down the rows, then to the next columns; an edge block is padded in front to `array_rows` rows.
    """
    chunk, rest = divmod(nth - 1, rows * array_cols)
    wide = edge(cols, array_cols, chunk)
    block = rest // (array_rows * wide)
    high = edge(rows, array_rows, block)
    row = array_rows - high + (rest - block * array_rows * wide) // wide
    return chunk * -(-rows // array_rows) + block, row
