"""Validations as text: the Markdown of `reports/validation.md`."""

from __future__ import annotations

from collections.abc import Iterable

from accelsim.validate.types import Comparison, Section, Statistic


def number(value: float) -> str:
    """A figure with four digits, or whole with separators if it is a count."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def percent(share: float) -> str:
    """A signed relative error in percent."""
    return "-" if share == float("inf") else f"{100 * share:+.1f} %"


def band(row: Comparison) -> str:
    """The band of a row as text."""
    return "shown" if row.band is None else "equal" if row.band == 0 else f"{100 * row.band:.3g} %"


def bound(row: Statistic) -> str:
    """The bound of a statistic as text."""
    return "shown" if row.bound is None else f"{row.sense} {row.bound:g}"


def verdict(holds: bool) -> str:
    """One word."""
    return "holds" if holds else "**FAILS**"


def cells(*texts: str) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"


def section_md(section: Section, figure: str = "") -> str:
    """One validation as Markdown."""
    lines = [f"## {section.title}", "", f"`accelsim validate {section.key}`. Reference: {section.source}", ""]
    if section.statistics:
        lines += ["| figure | value | bound | | others reach |", "|---|---:|---:|---|---|"]
        lines += [
            cells(s.name, f"{s.value:.4g} {s.unit}", bound(s), verdict(s.holds), s.reached) for s in section.statistics
        ]
        lines.append("")
    if figure:
        lines += [f"![{section.title}: error per row]({figure})", ""]
    if section.comparisons:
        lines += ["| item | quantity | ours | reference | unit | error | band | | note |"]
        lines += ["|---|---|---:|---:|---|---:|---:|---|---|"]
        lines += [
            cells(
                c.item,
                c.quantity,
                number(c.ours),
                number(c.reference),
                c.unit,
                percent(c.error),
                band(c),
                verdict(c.holds),
                c.note,
            )
            for c in section.comparisons
        ]
        lines.append("")
    lines += [f"- {note}" for note in section.notes]
    return "\n".join(lines).rstrip() + "\n"


def validation_md(sections: Iterable[Section], figures: dict[str, str]) -> str:
    """All validations; `figures` maps a section's key to its figure's path."""
    found = list(sections)
    judged = [row for s in found for row in s.comparisons if row.band is not None]
    held = sum(row.holds for row in judged)
    bounds = [row for s in found for row in s.statistics if row.bound is not None]
    lines = [
        "# Validation",
        "",
        "Written by `accelsim validate`: our figures beside figures that nobody here made. *Band*: the error a row "
        "must keep, *equal* for equality, *shown* if the row is printed and not judged.",
        "",
        f"{held} of {len(judged)} judged rows and {sum(s.holds for s in bounds)} of {len(bounds)} bounds hold.",
        "",
    ]
    return "\n".join([*lines, *(section_md(s, figures.get(s.key, "")) for s in found)])
