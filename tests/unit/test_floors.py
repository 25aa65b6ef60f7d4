"""Imports point down only, independent rooms stay independent, only doors touch files, sizes stay small."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "accelsim"
FLOORS = [
    {"errors"},
    {"units", "jit"},
    {"problem", "space"},
    {"layers", "arch"},
    {"graph", "mapping"},
    {"walk", "traffic"},
    {"dram"},
    {"energy", "timing"},
    {"sim", "execute"},
    {"mapper", "anatomy"},
    {"report"},
    {"checks", "certify", "verdict"},
    {"formats", "store", "plot"},
    {"lookup"},
    {"residency"},
    {"parts", "plan"},
    {"planning", "following"},
    {"pieces"},
    {"atlas", "schedule"},
    {"compat", "record", "notes"},
    {"pipeline"},
    {"whatif", "proof", "sweeps", "validate", "bench", "explain"},
    {"api"},
    {"gallery"},
    {"cli"},
    {"__init__", "__main__"},
]
FLOOR = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
FORBIDDEN = [("walk", "traffic"), ("traffic", "walk"), ("execute", "traffic"), ("walk", "sim"), ("certify", "mapper")]
DOORS = {"formats", "store", "plot", "lookup", "cli"}
FILE_CALLS = {"open", "read_text", "write_text", "read_bytes", "write_bytes"}
VERSION_ONLY = ("pipeline", "accelsim")


def room(path: Path, package: Path) -> str:
    return path.relative_to(package).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> set[str]:
    """Rooms of the package that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "accelsim":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("accelsim.")}
    return {name for name in found if not name.startswith("__")}


def violations(package: Path) -> list[str]:
    wrong = []
    for path in sorted(package.rglob("*.py")):
        mine = room(path, package)
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        where = str(path.relative_to(package))
        if mine not in FLOOR:
            wrong.append(f"{where}: room {mine} is on no floor")
            continue
        for other in imported(tree) - {mine}:
            if other not in FLOOR or FLOOR[other] >= FLOOR[mine]:
                wrong.append(f"{where}: imports {other}, which is not below")
            if (mine, other) in FORBIDDEN:
                wrong.append(f"{where}: must not import {other}")
        wrong += [f"{where}: {text}" for text in _habits(tree, mine, len(text.splitlines()))]
    return wrong


def _habits(tree: ast.AST, mine: str, lines: int) -> list[str]:
    wrong = [f"{lines} lines"] if lines > 450 else []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.end_lineno and node.end_lineno - node.lineno > 80:
            wrong.append(f"{node.name} has {node.end_lineno - node.lineno} lines")
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name == "print" and mine not in ("cli",):
                wrong.append("prints")
            if name in FILE_CALLS and mine not in DOORS:
                wrong.append(f"calls {name}")
    return wrong


def test_the_package_keeps_its_floors() -> None:
    assert violations(PACKAGE) == []


def test_tiled_execution_never_sees_reference_kernels() -> None:
    for name in ("tiled", "links", "buffers", "vector", "stepwise", "pe_array"):
        tree = ast.parse((PACKAGE / "execute" / f"{name}.py").read_text(encoding="utf-8"))
        modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        assert not modules & {"accelsim.execute.reference", "accelsim.execute.kernels"}, name


@pytest.mark.parametrize(
    ("where", "code", "message"),
    [
        ("problem.py", "from accelsim.sim import stream", "imports sim, which is not below"),
        ("walk.py", "from accelsim.traffic import count", "must not import traffic"),
        ("traffic.py", "import accelsim.walk", "must not import walk"),
        ("certify.py", "from accelsim.mapper.exact import space", "must not import mapper"),
        ("energy.py", "open('x')", "calls open"),
        ("sim.py", "print(1)", "prints"),
        ("attic.py", "", "is on no floor"),
        ("graph.py", "x = 1\n" * 451, "451 lines"),
    ],
)
def test_violations_are_seen(tmp_path: Path, where: str, code: str, message: str) -> None:
    (tmp_path / where).write_text(code)
    assert any(message in text for text in violations(tmp_path))
