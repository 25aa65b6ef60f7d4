"""Views of many runs: the Pareto front with its configurations, and the ski-slope (the best cost at each size)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from accelsim.errors import InputError, nearest
from accelsim.plot.ask import Ask
from accelsim.plot.style import COLOURS, INK, PALE, STYLE, new_figure, save
from accelsim.plot.table import Cell, Table
from accelsim.units import bits, bits_per_cycle, bits_per_second, hertz

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNITS: tuple[tuple[str, Callable[[object], int]], ...] = (
    ("bit", bits), ("Hz", hertz), ("bit/s", bits_per_second), ("bit/cycle", bits_per_cycle)
)  # fmt: skip
SUFFIXES = {"_pj": "pJ", "_fj": "fJ", "_bits": "bit", "_hz": "Hz", "seconds": "s", "cycles": "cycles", "_mm2": "mm²"}


@dataclass(frozen=True)
class Points:
    """Results of many runs: one row of named cells each (`params.array.rows`, `totals.seconds`, `status`, ...)."""

    source: str
    rows: tuple[dict[str, Cell], ...]

    @property
    def names(self) -> list[str]:
        """All columns, in order."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def check(self, option: str, name: str) -> None:
        """Refuse a column that no row has."""
        if not name:
            raise InputError(f"{option} is missing; columns of {self.source}: {', '.join(self.names)}")
        if name not in self.names:
            raise InputError(f"{option} {name!r}: {self.source} has no such column; {nearest(name, self.names)}")


def value_of(cell: Cell | None) -> tuple[float, str] | None:
    """A cell as a number and the unit that its text has, None if it is neither number nor quantity.

    >>> value_of("108 KiB"), value_of(3), value_of("ws")
    ((884736.0, 'bit'), (3.0, ''), None)
    """
    if cell is None or isinstance(cell, bool):
        return None
    if not isinstance(cell, str):
        return float(cell), ""
    try:
        return float(cell), ""
    except ValueError:
        pass
    for unit, read in UNITS:
        try:
            return float(read(cell)), unit
        except InputError:
            continue
    return None


def unit_of(name: str, units: Iterable[str]) -> str:
    """The unit of a column: that of its texts, or what its name ends with."""
    given = [unit for unit in units if unit]
    if given:
        return given[0]
    return next((unit for suffix, unit in SUFFIXES.items() if name.endswith(suffix)), "1")


def _is_word(cell: Cell | None) -> bool:
    return isinstance(cell, str) and value_of(cell) is None


def _configs(points: Points) -> list[str]:
    """What tells each row from the others: its params that vary."""
    params = [name for name in points.names if name.startswith("params.")]
    params = params or [name for name in points.names if any(_is_word(r.get(name)) for r in points.rows)]
    varying = [name for name in params if len({str(row.get(name)) for row in points.rows}) > 1]
    short = {name: name.removeprefix("params.").rsplit(".", 1)[-1] for name in varying}
    if len(set(short.values())) < len(short):
        short = {name: name.removeprefix("params.") for name in varying}
    return [", ".join(f"{short[n]}={row[n]}" for n in varying if n in row) or "-" for row in points.rows]


def _known(points: Points, ask: Ask) -> tuple[list[tuple[int, str, float, float]], tuple[str, str]]:
    """(row number, configuration, x, y) of the rows that have both, and the units of x and y."""
    points.check("--x", ask.x)
    points.check("--y", ask.y)
    found, units = [], []
    for number, (row, config) in enumerate(zip(points.rows, _configs(points), strict=True)):
        x, y = value_of(row.get(ask.x)), value_of(row.get(ask.y))
        if x is not None and y is not None:
            found.append((number, config, x[0], y[0]))
            units.append((x[1], y[1]))
    if not found:
        raise InputError(f"{points.source}: no row has numbers for both {ask.x} and {ask.y}")
    return found, (unit_of(ask.x, (u for u, _ in units)), unit_of(ask.y, (u for _, u in units)))


def _facts(points: Points, ask: Ask, shown: int, units: tuple[str, str]) -> tuple[tuple[str, Cell], ...]:
    return (
        ("x_name", ask.x), ("y_name", ask.y), ("x_unit", units[0]), ("y_unit", units[1]),
        ("rows_without_numbers", len(points.rows) - shown),
    )  # fmt: skip


def pareto_table(points: Points, ask: Ask) -> Table:
    """Every point with its configuration; `front` is 1 where no other has both less x and less y (or equal one)."""
    known, units = _known(points, ask)
    rows = []
    for number, config, x, y in sorted(known, key=lambda p: (p[2], p[3], p[0])):
        beaten = any(a <= x and b <= y and (a, b) != (x, y) for _, _, a, b in known)
        rows.append((number, config, x, y, int(not beaten)))
    title = f"Pareto front of {points.source}"
    columns = ("point", "config", "x", "y", "front")
    return Table(title, columns, tuple(rows), _facts(points, ask, len(known), units))


def slope_table(points: Points, ask: Ask) -> Table:
    """The least y at each x, with its configuration, and the least at that x or a smaller one."""
    known, units = _known(points, ask)
    rows: list[tuple[Cell, ...]] = []
    lowest = float("inf")
    for x in sorted({p[2] for p in known}):
        number, config, _, y = min((p for p in known if p[2] == x), key=lambda p: (p[3], p[0]))
        lowest = min(lowest, y)
        rows.append((number, config, x, y, lowest))
    title = f"Ski-slope of {points.source}"
    columns = ("point", "config", "x", "y", "best_so_far")
    return Table(title, columns, tuple(rows), _facts(points, ask, len(known), units))


def _axes(axes: object, table: Table) -> None:
    """Names and units; logarithmic where values span more than a decade."""
    for side in ("x", "y"):
        values = table.numbers(side)
        getattr(axes, f"set_{side}label")(f"{table.fact(f'{side}_name')} [{table.fact(f'{side}_unit')}]")
        if min(values) > 0 and max(values) / min(values) > 10:
            getattr(axes, f"set_{side}scale")("log")


def pareto_figure(table: Table) -> Figure:
    """All points, the front joined and named."""
    figure, axes = new_figure(30)
    axes.scatter(table.numbers("x"), table.numbers("y"), s=18, color="#aaaaaa", label="dominated")
    front = table.where("front", 1)
    x, y = front.numbers("x"), front.numbers("y")
    axes.step(x, y, where="post", color=COLOURS[0], linewidth=1)
    axes.scatter(x, y, s=34, color=COLOURS[0], label="Pareto front", zorder=3)
    named: dict[tuple[float, float], list[str]] = {}
    for spot, config in zip(zip(x, y, strict=True), front.texts("config"), strict=True):
        named.setdefault(spot, []).append(config)
    for spot, configs in list(named.items())[:12]:
        text = configs[0] + (f" and {len(configs) - 1} more" if len(configs) > 1 else "")
        axes.annotate(text, spot, fontsize=7, xytext=(5, 4), textcoords="offset points")
    _axes(axes, table)
    axes.margins(x=0.15, y=0.1)
    axes.legend(fontsize=8, frameon=False)
    axes.set_title(table.title)
    return figure


def slope_figure(table: Table) -> Figure:
    """The best at each x as dots, the best so far as a falling line."""
    figure, axes = new_figure(30)
    x = table.numbers("x")
    axes.step(x, table.numbers("best_so_far"), where="post", color=COLOURS[0], label="best at this size or less")
    axes.scatter(
        x, table.numbers("y"), s=26, color=COLOURS[1], edgecolors=INK, linewidths=0.4, label="best at this size"
    )
    _axes(axes, table)
    axes.grid(color=PALE, linewidth=0.6)
    axes.legend(fontsize=8, frameon=False)
    axes.set_title(table.title)
    return figure


@dataclass(frozen=True)
class PointView:
    """A view of many runs."""

    name: str
    what: str
    table: Callable[[Points, Ask], Table]
    figure: Callable[[Table], Figure]


POINT_VIEWS = (
    PointView("pareto", "the Pareto front with configurations", pareto_table, pareto_figure),
    PointView("ski_slope", "the best y at each x", slope_table, slope_figure),
)


def render_points(points: Points, only: Sequence[str], kinds: Sequence[str], ask: Ask) -> dict[str, bytes]:
    """Views of many runs as files: `<name>.<kind>` and `<name>.csv`.

    Raises:
        InputError: an unknown view, a column that no row has, or no row with numbers.
    """
    import matplotlib

    names = [view.name for view in POINT_VIEWS]
    for name in only:
        if name not in names:
            raise InputError(f"no view {name!r} of many runs; {nearest(name, names)}")
    files: dict[str, bytes] = {}
    with matplotlib.rc_context(STYLE):
        for view in (v for v in POINT_VIEWS if v.name in (only or names)):
            table = view.table(points, ask)
            drawn = view.figure(table)
            files |= {f"{view.name}.{kind}": save(drawn, kind) for kind in kinds}
            files[f"{view.name}.csv"] = table.csv()
    return files
