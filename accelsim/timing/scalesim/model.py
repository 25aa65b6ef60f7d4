"""SCALE-Sim 3.0.0 in CALC mode, in closed form: cycles, utilisations, accesses and the cycles in which they happen.

Source: Samajdar et al., "A systematic methodology for characterizing scalability of DNN accelerators using SCALE-Sim",
ISPASS 2020, and the behaviour of the package scalesim 3.0.0 (PyPI), with which every figure here was compared.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import numpy as np

from accelsim.errors import InputError
from accelsim.timing.scalesim.blocks import edge, skew_row
from accelsim.timing.scalesim.overlap import input_reads
from accelsim.timing.scalesim.reads import Reads, chunk_by_chunk, once, repeated
from accelsim.timing.scalesim.types import Folds, ScaleLayer, ScaleMachine, ScaleResult, Span
from accelsim.timing.scalesim.writes import drain

PREFETCH_WORDS = 10  # words a cycle that CALC mode assumes of the DRAM before the first demand
SUM_CHUNK = 1 << 20


def folds_of(layer: ScaleLayer, machine: ScaleMachine) -> Folds:
    """How the layer lies on the array (S_R, S_C, T of the paper) and the cycles of each fold."""
    m, n, k = layer.pixels, layer.filters, layer.taps
    used_rows, used_cols, stream = {"os": (m, n, k), "ws": (k, n, m), "is": (k, m, n)}[machine.dataflow]
    cycles = stream + machine.rows + machine.cols - 2 + (0 if machine.dataflow == "os" else machine.rows)
    return Folds(used_rows, used_cols, stream, -(-used_rows // machine.rows), -(-used_cols // machine.cols), cycles)


def _mean(folds: Folds, machine: ScaleMachine, value: Callable[[int, int], float]) -> float:
    """Mean over the folds of a figure of (rows used, columns used), added up in order as SCALE-Sim does."""
    row_sizes = (machine.rows, edge(folds.used_rows, machine.rows, folds.row_folds - 1))
    total = 0.0
    for chunks, cols in (
        (folds.col_folds - 1, machine.cols),
        (1, edge(folds.used_cols, machine.cols, folds.col_folds - 1)),
    ):
        inner = np.full(folds.row_folds, value(row_sizes[0], cols))
        inner[-1] = value(row_sizes[1], cols)
        at_once = max(1, SUM_CHUNK // folds.row_folds)
        while chunks > 0:
            now = min(chunks, at_once)
            total = float(np.cumsum(np.concatenate([[total], np.tile(inner, now)]))[-1])
            chunks -= now
    return total / (folds.row_folds * folds.col_folds)


def _sram_words(folds: Folds, machine: ScaleMachine) -> tuple[int, int, int]:
    """(ifmap reads, filter reads, ofmap writes); `os` also counts rows + cols per fold as writes."""
    rows, cols, stream = folds.used_rows, folds.used_cols, folds.stream
    streamed = folds.col_folds * rows * stream
    if machine.dataflow == "os":
        extra = folds.row_folds * folds.col_folds * (machine.rows + machine.cols)
        return streamed, folds.row_folds * cols * stream, rows * cols + extra
    results = folds.row_folds * stream * cols
    return (streamed, rows * cols, results) if machine.dataflow == "ws" else (rows * cols, streamed, results)


def _last_input(layer: ScaleLayer, machine: ScaleMachine, folds: Folds) -> int:
    """Row of the demand in which the last input word is read; windows that hang over the border read less."""
    rows_left = np.minimum(layer.height - np.arange(layer.out_rows) * layer.stride_rows, layer.filter_height)
    cols_left = np.minimum(layer.width - np.arange(layer.out_cols) * layer.stride_cols, layer.filter_width)
    if machine.dataflow == "ws":
        taps = np.arange((folds.row_folds - 1) * machine.rows, folds.used_rows)
        row, col = np.divmod(taps // layer.channels, layer.filter_width)
        pixel = (rows_left[:, None] > row).sum(axis=0) - 1
        pixel = pixel * layer.out_cols + (cols_left[:, None] > col).sum(axis=0) - 1
        fold = folds.row_folds * folds.col_folds - 1
        return fold * folds.cycles + machine.rows + int((pixel + np.arange(len(taps))).max())
    rows_left, cols_left = np.maximum(rows_left, 0), np.maximum(cols_left, 0)
    last_row, last_col = int(np.flatnonzero(rows_left)[-1]), int(np.flatnonzero(cols_left)[-1])
    size = machine.rows if machine.dataflow == "os" else machine.cols
    chunk = (last_row * layer.out_cols + last_col) // size
    pixels = np.arange(chunk * size, min((chunk + 1) * size, layer.pixels))
    high, wide = rows_left[pixels // layer.out_cols], cols_left[pixels % layer.out_cols]
    there = (high > 0) & (wide > 0)
    last_tap = ((high - 1) * layer.filter_width + wide) * layer.channels - 1
    if machine.dataflow == "os":
        fold = (folds.col_folds - 1) * folds.row_folds + chunk
        return fold * folds.cycles + int((last_tap + np.arange(len(pixels)))[there].max())
    block = int(last_tap[there].max()) // machine.rows
    taps = np.arange(block * machine.rows, min((block + 1) * machine.rows, folds.used_rows))
    row, col = np.divmod(taps // layer.channels, layer.filter_width)
    used = ((row[:, None] < high) & (col[:, None] < wide)).any(axis=1)
    first = int(np.flatnonzero(used)[0])
    return (chunk * folds.row_folds + block) * folds.cycles + machine.rows - 1 - first


def _sram_spans(layer: ScaleLayer, machine: ScaleMachine, folds: Folds) -> tuple[Span, Span, Span]:
    """First and last cycle and words of the ifmap, filter and ofmap SRAM; a read is served one cycle later."""
    ifmap, filters, ofmap = _sram_words(folds, machine)
    rows, last = machine.rows, (folds.row_folds * folds.col_folds - 1) * folds.cycles
    last_rows = edge(folds.used_rows, rows, folds.row_folds - 1)
    last_cols = edge(folds.used_cols, machine.cols, folds.col_folds - 1)
    first_held = rows - min(rows, folds.used_rows)
    input_stop = _last_input(layer, machine, folds) + 1
    if machine.dataflow == "os":
        return (
            Span(1, input_stop, ifmap),
            Span(1, last + folds.stream + last_cols - 1, filters),
            Span(folds.stream - 1 + first_held, last + folds.stream + rows + last_cols - 3, ofmap),
        )
    results = Span(2 * rows - 1, last + 2 * rows + folds.stream + last_cols - 3, ofmap)
    if machine.dataflow == "ws":
        return Span(rows + 1, input_stop, ifmap), Span(first_held + 1, last + rows, filters), results
    stop = last + rows + folds.stream + last_rows - 1
    return Span(first_held + 1, input_stop, ifmap), Span(rows + 1, stop, filters), results


def _read_span(reads: Reads, folds: Folds, limit: int, first: int, offset: int) -> Span:
    """DRAM reads: prefetched before the first demand, then again each time the window is thrown away.

    Args:
        first: row of the first demand. offset: rows of a fold before the block that `reads` counts rows in.
    """
    per_set = limit // 50
    if reads.last_fill is None:
        return Span(-ceil(-(-reads.words // per_set) * per_set / PREFETCH_WORDS), -1, reads.words)
    fold, row = reads.last_fill
    return Span(first - ceil(limit / PREFETCH_WORDS), fold * folds.cycles + offset + row + 1, reads.words)


def _filter_reads(machine: ScaleMachine, folds: Folds, limit: int) -> tuple[Reads, int]:
    """Filter reads and the rows of a fold before its filters."""
    if machine.dataflow == "ws":
        return once(folds.used_rows, folds.used_cols, machine.rows, machine.cols, limit), 0
    if machine.dataflow == "is":
        return repeated(folds.used_rows, machine.rows, folds.stream, folds.col_folds, limit), machine.rows
    return chunk_by_chunk(folds.used_cols, machine.cols, folds.stream, folds.row_folds, limit), 0


def _written(machine: ScaleMachine, folds: Folds) -> tuple[int, Callable[[int], int]]:
    """Results written into the ofmap SRAM, and the cycle of the n-th of them."""
    os = machine.dataflow == "os"

    def cycle(nth: int) -> int:
        chunk_words = (folds.used_rows if os else folds.row_folds * folds.stream) * machine.cols
        chunk, rest = divmod(nth - 1, chunk_words)
        cols = edge(folds.used_cols, machine.cols, chunk)
        block, rest = divmod(rest, (machine.rows if os else folds.stream) * cols)
        length = edge(folds.used_rows, machine.rows, block) if os else folds.stream
        before = folds.stream - 1 + machine.rows - length if os else 2 * machine.rows - 1
        return (chunk * folds.row_folds + block) * folds.cycles + before + skew_row(length, cols, rest + 1)

    words = folds.used_cols * (folds.used_rows if os else folds.row_folds * folds.stream)
    return words, cycle


def simulate(layer: ScaleLayer, machine: ScaleMachine) -> ScaleResult:
    """Every figure that SCALE-Sim 3.0.0 reports for a layer in CALC mode.

    Raises:
        InputError: a product of one MAC on one PE (`os`), for which SCALE-Sim divides by its 0 cycles.
    """
    folds = folds_of(layer, machine)
    cycles = folds.row_folds * folds.col_folds * folds.cycles - 1
    if not cycles:
        raise InputError(f"{layer.name}: one MAC on one PE takes SCALE-Sim 0 cycles, by which it divides")
    pes = machine.rows * machine.cols
    fold_cycles = folds.cycles + (0 if machine.dataflow == "os" else machine.cols - 1)
    first_held = machine.rows - min(machine.rows, folds.used_rows)
    first_input = {"os": 0, "ws": machine.rows, "is": first_held}[machine.dataflow]
    first_filter = {"os": 0, "ws": first_held, "is": machine.rows}[machine.dataflow]
    input_limit, filter_limit = machine.window_words
    inputs = _read_span(input_reads(layer, machine, folds, input_limit), folds, input_limit, first_input, 0)
    reads, offset = _filter_reads(machine, folds, filter_limit)
    filters = _read_span(reads, folds, filter_limit, first_filter, offset)
    words, cycle_of = _written(machine, folds)
    outputs = drain(words, machine.ofmap_kb, machine.cols, cycles, cycle_of)
    sram = _sram_spans(layer, machine, folds)
    return ScaleResult(
        name=layer.name,
        cycles=cycles,
        cycles_with_prefetch=outputs.stop - min(inputs.start, filters.start),
        overall_util=layer.macs * 100 / (cycles * pes),
        mapping_efficiency=_mean(folds, machine, lambda r, c: r * c / pes) * 100,
        compute_util=_mean(folds, machine, lambda r, c: r * c * folds.stream / (pes * fold_cycles)) * 100,
        ifmap_sram=sram[0],
        filter_sram=sram[1],
        ofmap_sram=sram[2],
        ifmap_dram=inputs,
        filter_dram=filters,
        ofmap_dram=outputs,
        folds=folds,
    )
