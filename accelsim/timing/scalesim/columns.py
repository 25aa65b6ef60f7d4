"""The columns of SCALE-Sim's three reports, with the texts of its headers and the kinds of its numbers."""

from __future__ import annotations

from accelsim.timing.scalesim.types import ScaleResult, ScaleRun

COMPUTE_COLUMNS = (
    "Total Cycles (incl. prefetch)",
    "Total Cycles",
    "Stall Cycles",
    "Overall Util %",
    "Mapping Efficiency %",
    "Compute Util %",
)
STREAMS = ("IFMAP", "FILTER", "OFMAP")
BANDWIDTH_COLUMNS = tuple(f"Avg {stream} {memory} BW" for memory in ("SRAM", "DRAM") for stream in STREAMS)
DETAIL_COLUMNS = tuple(
    f"{memory} {stream} {what}"
    for memory in ("SRAM", "DRAM")
    for stream, moved in (("IFMAP", "Reads"), ("Filter", "Reads"), ("OFMAP", "Writes"))
    for what in ("Start Cycle", "Stop Cycle", moved)
)


def compute_row(result: ScaleResult) -> list[int | float]:
    """A row of COMPUTE_REPORT; CALC mode never stalls."""
    utils = [result.overall_util, result.mapping_efficiency, result.compute_util]
    return [result.cycles_with_prefetch, result.cycles, 0, *utils]


def bandwidth_row(result: ScaleResult) -> list[int | float]:
    """A row of BANDWIDTH_REPORT: words a cycle."""
    return [*result.sram_bandwidth(), *result.dram_bandwidth()]


def detail_row(result: ScaleResult) -> list[int | float]:
    """A row of DETAILED_ACCESS_REPORT; SCALE-Sim writes cycles as floats."""
    spans = (
        result.ifmap_sram, result.filter_sram, result.ofmap_sram,
        result.ifmap_dram, result.filter_dram, result.ofmap_dram,
    )  # fmt: skip
    return [figure for span in spans for figure in (float(span.start), float(span.stop), span.words)]


def run_columns(run: ScaleRun) -> dict[str, int | float | None]:
    """Every column for a layer, `runs` first.

    Several runs (one per group or image): cycles and words are sums, utilisations are means over all cycles (overall)
    or folds, average bandwidths weigh by cycles or are left out (None) with the start and stop cycles, since SCALE-Sim
    starts its clock again for every run.
    """
    rows = [(dict(_columns(result)), result, times) for result, times in run.runs]
    if run.count == 1:
        return {"runs": 1, **rows[0][0]}
    found: dict[str, int | float | None] = {"runs": run.count}
    folds = sum(r.folds.row_folds * r.folds.col_folds * times for _, r, times in rows)
    for name in rows[0][0]:
        if name.endswith(("Cycles", "(incl. prefetch)", "Reads", "Writes")):
            found[name] = sum(columns[name] * times for columns, _, times in rows)
        elif name == "Overall Util %" or " SRAM BW" in name:
            found[name] = sum(columns[name] * r.cycles * times for columns, r, times in rows) / run.cycles
        elif name.endswith("%"):
            found[name] = sum(c[name] * r.folds.row_folds * r.folds.col_folds * n for c, r, n in rows) / folds
        else:
            found[name] = None
    return found


def _columns(result: ScaleResult) -> list[tuple[str, int | float]]:
    names = (*COMPUTE_COLUMNS, *BANDWIDTH_COLUMNS, *DETAIL_COLUMNS)
    return list(zip(names, [*compute_row(result), *bandwidth_row(result), *detail_row(result)], strict=True))
