"""Errors of a validation row by row, one colour per kind of row, with the band."""

from __future__ import annotations

import io
from collections.abc import Sequence

from accelsim.plot.style import COLOURS, STYLE, new_figure


def residuals(title: str, rows: Sequence[tuple[str, str, float]], band: float | None) -> bytes:
    """PNG of errors in percent; rows are (item, kind, relative error)."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure, axes = new_figure(len(rows))
        for number, kind in enumerate(dict.fromkeys(kind for _, kind, _ in rows)):
            mine = [i for i, row in enumerate(rows) if row[1] == kind]
            colour = COLOURS[number % len(COLOURS)]
            axes.bar(mine, [100 * rows[i][2] for i in mine], color=colour, label=kind or None, width=0.8)
        axes.axhline(0, color="#222222", linewidth=0.8)
        if band:
            axes.axhspan(-100 * band, 100 * band, color="#dddddd", zorder=0, label=f"band {100 * band:.3g} %")
        axes.set_xticks(range(len(rows)), [row[0] for row in rows], rotation=90, fontsize=7)
        axes.set_xlim(-0.6, len(rows) - 0.4)
        axes.set_ylabel("error [%]")
        axes.set_title(title)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=8, frameon=False)
        out = io.BytesIO()
        figure.savefig(out, format="png", metadata={"Software": None}, dpi=120)
    return out.getvalue()
