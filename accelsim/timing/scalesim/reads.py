"""DRAM reads of words that are each demanded once per pass: filters, and inputs of windows that do not overlap.

SCALE-Sim's read SRAM keeps the last distinct words in a window that tumbles: a word not in it is read from DRAM and
put into it, and as soon as it holds `limit` words all of it is thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.timing.scalesim.blocks import edge, repeated_skew, reversed_once, skew_row


@dataclass(frozen=True)
class Reads:
    """Words read from DRAM, and (fold, row inside its block) of the word that filled the window last (None: never)."""

    words: int
    last_fill: tuple[int, int] | None


def once(rows: int, cols: int, array_rows: int, array_cols: int, limit: int) -> Reads:
    """A matrix loaded block by block, every word once."""
    words = rows * cols
    full = words // limit * limit
    return Reads(words, reversed_once(rows, cols, array_rows, array_cols, full) if full else None)


def repeated(total: int, size: int, length: int, passes: int, limit: int) -> Reads:
    """Chunks of columns streamed over and over: if all of it does not stay, every word of every pass is a miss.

    Proof: between two demands of a word lie all the others, so the window tumbled in between unless it holds them all.
    """
    words = total * length
    if words < limit:
        return Reads(words, None)
    full = passes * words // limit * limit
    return Reads(passes * words, repeated_skew(total, size, length, full))


def chunk_by_chunk(total: int, size: int, length: int, repeats: int, limit: int) -> Reads:
    """Each chunk of columns is streamed `repeats` times before the next one (filters of `os`).

    A chunk that does not stay misses every time. One that stays misses once, and once more on its second visit for
    the words whose window tumbled during the first.
    """
    words, held = 0, 0
    last: tuple[int, int] | None = None
    for chunk in range(-(-total // size)):
        cols = edge(total, size, chunk)
        block = cols * length
        if block >= limit:
            fills, after = divmod(held + repeats * block, limit)
            if fills:
                visit, place = divmod(fills * limit - held - 1, block)
                last = chunk * repeats + visit, skew_row(length, cols, place + 1)
            words, held = words + repeats * block, after
            continue
        words += block
        if held + block < limit:
            held += block
            continue
        last = chunk * repeats, skew_row(length, cols, limit - held)
        held += block - limit
        if repeats > 1:
            words += block - held
            held = block
    return Reads(words, last)
