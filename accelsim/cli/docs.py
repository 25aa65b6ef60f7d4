"""`docs`: the reference pages, written from the parser, the file schemas and the report's keys."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from accelsim.cli.shared import app, say

PAGES = ("cli.md", "files.md", "report.md")
_TOP = "<!-- Written by `accelsim docs`; edit the code it is made from. -->\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(row)} |" for row in (heads, ("---",) * len(heads), *rows)]
    return [*lines, ""]


def _command(name: str, command: Any) -> list[str]:
    """One command with its arguments and options, or a group with its commands."""
    inner = getattr(command, "commands", None)
    lines = [f"## `{name}`", "", _cell(command.help or ""), ""]
    rows = []
    for p in command.params:
        if p.name == "help" or getattr(p, "hidden", False):
            continue
        label = f"`{p.name.upper()}`" if p.param_type_name == "argument" else ", ".join(f"`{o}`" for o in p.opts)
        goals = [str(one.value) for one in type(p.default)] if isinstance(p.default, Enum) else []
        values = "flag" if getattr(p, "is_flag", False) else ", ".join(goals) or p.metavar or ""
        given = p.default.value if isinstance(p.default, Enum) else p.default
        default = "required" if p.required else "" if given in (None, "", False, ("", ""), []) else f"`{given}`"
        rows.append((label, _cell(values), default, _cell(getattr(p, "help", None) or "")))
    if rows:
        lines += _table(("option", "values", "default", "meaning"), rows)
    for part, child in (inner or {}).items():
        lines += _command(f"{name} {part}", child)
    return lines


def _cli() -> list[str]:
    root: Any = typer.main.get_command(app)
    lines = ["# Commands", "", "Exit codes: 0 fine, 1 a check failed, 2 wrong input, 70 a bug of ours, 130 Ctrl-C.", ""]
    for name, command in root.commands.items():
        lines += _command(f"accelsim {name}", command)
    return lines


def _values(schema: dict[str, Any]) -> str:
    """What may stand at a key, in words."""
    if "$ref" in schema:
        return f"a `{schema['$ref'].rsplit('/', 1)[1].removesuffix('Model')}`"
    if "anyOf" in schema or "oneOf" in schema:
        found = [_values(s) for s in schema.get("anyOf", schema.get("oneOf", [])) if s.get("type") != "null"]
        return " or ".join(dict.fromkeys(found))
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_values(schema.get('items', {}))}"
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return f"by name: {_values(inner)}" if isinstance(inner, dict) and inner else "by name"
    example = "".join(f", such as `{e}`" for e in schema.get("examples", ())[:1])
    return str(schema.get("type", "anything")) + example


def _keys(title: str, model: Any) -> list[str]:
    """All keys of a file, table by table."""
    schema = model.model_json_schema()
    tables = [(title, schema), *schema.get("$defs", {}).items()]
    lines = []
    for name, table in tables:
        if "properties" not in table:
            continue
        lines += [f"### {name.removesuffix('Model')}", "", _cell(table.get("description", "")), ""]
        needed = table.get("required", ())
        rows = []
        for key, value in table["properties"].items():
            default = (
                "required"
                if key in needed
                else ""
                if value.get("default") in (None, {}, [])
                else f"`{value['default']}`"
            )
            rows.append((f"`{key}`", _cell(_values(value)), _cell(default)))
        lines += _table(("key", "value", "default"), rows)
    return lines


def _files() -> list[str]:
    from accelsim.formats.arch_schema import ArchModel
    from accelsim.formats.mapping_schema import FileModel
    from accelsim.formats.sweep_yaml import SweepModel

    lines = ["# Files", "", "Unknown keys are errors; quantities carry their unit.", ""]
    for heading, model in (("Machine", ArchModel), ("Mappings", FileModel), ("Sweep", SweepModel)):
        lines += [f"## {heading} files", "", *_keys(f"{heading} file", model)]
    return lines


def _report() -> list[str]:
    from accelsim.formats.report_keys import keys

    lines = ["# `report.json`", "", "`*` is any one key, `[]` an entry of a list. Same input, same bytes.", ""]
    return [*lines, *_table(("key", "meaning"), [(f"`{key}`", _cell(text)) for key, text in keys().items()])]


@app.command()
def docs(
    out: Annotated[str, typer.Option("--out", "-o", metavar="DIR", help="Folder to write.")] = "reports/docs/reference",
) -> None:
    """Write the reference pages of the documentation: commands, files, report."""
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in zip(PAGES, (_cli(), _files(), _report()), strict=True):
        (folder / name).write_text(_TOP + "\n".join(lines).rstrip() + "\n", encoding="utf-8")
    say(f"{len(PAGES)} pages written to {out}")
