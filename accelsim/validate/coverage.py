"""Operators against the tests that come with the `onnx` package: imported, run on real numbers, results compared."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import AccelsimError
from accelsim.execute.floating import all_tensors, run_float
from accelsim.formats.onnx_in import from_onnx, supported
from accelsim.graph import LayerGraph
from accelsim.layers import Gather, Move, VectorWork
from accelsim.lookup import load_arch
from accelsim.pipeline import run
from accelsim.problem import Problem

Numbers = NDArray[Any]
MACHINE = "edge_os_32x32"

# numbers of other widths are the machine's business; these operators have no layer
NOT_COUNTED = ("Cast", "CastLike", "Constant", "Shape", "Size", "If")
REASONS = {
    "training_mode": "training, not inference",
    "empty": "a tensor without words: a machine has nothing to do",
    "expected sizes of at least 1": "a tensor without words: a machine has nothing to do",
    "only the first output": "indices of a maximum as a second output",
    "could not convert string": "text",
}


@dataclass(frozen=True)
class Result:
    """One test: which operators it has, why it failed (empty: it passed), and what simulating it says (empty: fine)."""

    name: str
    operators: tuple[str, ...]
    error: str
    layers: tuple[str, ...] = ()
    lowers: tuple[str, ...] = ()
    trouble: str = ""


@dataclass(frozen=True)
class Row:
    """One ONNX operator: tests with it alone, those that pass, those simulated, its layers and work items."""

    operator: str
    tests: int
    passed: int
    simulated: int
    layer: str
    lowers: str


@dataclass(frozen=True)
class Coverage:
    """Tests whose operators are all supported, `covered`, and those that pass; other sets by name (passed, tests)."""

    rows: tuple[Row, ...]
    covered: int
    passed: int
    failures: tuple[Result, ...]
    sets: tuple[tuple[str, int, int], ...]

    def as_dict(self) -> dict[str, Any]:
        """The coverage as JSON."""
        return {
            "covered": self.covered, "passed": self.passed,
            "operators": [
                {"operator": r.operator, "tests": r.tests, "passed": r.passed, "simulated": r.simulated,
                 "layer": r.layer, "lowers": r.lowers}
                for r in self.rows
            ],
            "failures": [{"test": f.name, "reason": f.error} for f in self.failures],
            "sets": {name: {"passed": passed, "tests": tests} for name, passed, tests in self.sets},
        }  # fmt: skip


def _array(value: Any) -> Numbers:
    from onnx import numpy_helper

    return numpy_helper.to_array(value) if hasattr(value, "SerializeToString") else np.asarray(value)


def compare(model: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> LayerGraph:
    """Import a model, run it on the test's inputs and compare with its outputs.

    Raises:
        AccelsimError: it cannot be imported. AssertionError: a result differs. ValueError: data that are no numbers.
    """
    started = {t.name for t in model.graph.initializer}
    names = [i.name for i in model.graph.input if len(inputs) == len(model.graph.input) or i.name not in started]
    values = {name: _array(value) for name, value in zip(names, inputs, strict=True)}
    graph = from_onnx(model, "test", values=values)
    given = {node.name: np.asarray(values[node.name], float) for node in graph.inputs}
    for got, wanted in zip(run_float(graph, all_tensors(graph), given), map(_array, outputs), strict=False):
        found, fine = got, wanted.dtype.itemsize > 2 or wanted.dtype.kind in "iub"
        if found.shape != wanted.shape and any(n.op == "nms" for n in graph.layers):
            assert (found[len(wanted) :] == -1).all(), "boxes beyond the expected ones"
            found = found[: len(wanted)]
        assert found.shape == wanted.shape, f"shape {found.shape}, expected {wanted.shape}"
        np.testing.assert_allclose(
            found, wanted.astype(float), rtol=1e-3 if fine else 1e-2, atol=1e-5 if fine else 1e-3
        )  # fmt: skip
    return graph


def _kinds(graph: LayerGraph) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Operators and kinds of work items of a graph."""
    names = {Problem: "array or pooling problem", VectorWork: "vector work", Move: "move", Gather: "gather"}
    work = set()
    for node in graph.layers:
        assert node.layer is not None
        work |= {names[type(item)] for item in node.layer.lower(node.input_shapes)} or {"view"}
    return tuple(sorted({node.op for node in graph.layers})), tuple(sorted(work))


def _one(name: str, model: Any, data: Iterable[tuple[Sequence[Any], Sequence[Any]]]) -> Result:
    operators = tuple(sorted({node.op_type for node in model.graph.node}))
    try:
        graph = None
        for inputs, outputs in data:
            graph = compare(model, inputs, outputs)
        layers, lowers = ((), ()) if graph is None else _kinds(graph)
        return Result(name, operators, "", layers, lowers, "" if graph is None else _simulate(graph))
    except (AccelsimError, AssertionError, ValueError, TypeError) as error:
        text = " ".join(str(error).split())
        reason = next((why for mark, why in REASONS.items() if mark in text), text[:120])
        return Result(name, operators, reason)


def _simulate(graph: LayerGraph) -> str:
    """Run the graph on a machine under all laws; what is wrong, empty if nothing."""
    try:
        run(load_arch(MACHINE)[0], graph)
    except AccelsimError as error:
        return str(error)
    return ""


def node_results() -> Iterator[Result]:
    """Every node test whose operators are all supported, in order."""
    from onnx.backend.test.loader import load_model_tests

    known = set(supported())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in load_model_tests(kind="node"):
            model: Any = case.model
            operators = {node.op_type for node in model.graph.node}
            own = all(node.domain == "" for node in model.graph.node)
            if own and operators <= known and not operators <= set(NOT_COUNTED):
                yield _one(case.name, model, case.data_sets or [])


def set_results(name: str) -> Iterator[Result]:
    """Every test of a set of files in the onnx package (`pytorch-converted`, `pytorch-operator`)."""
    import onnx
    import onnx.backend.test
    from onnx import numpy_helper

    root = Path(str(onnx.backend.test.__file__)).parent / "data" / name

    def tensors(folder: Path, kind: str) -> list[Numbers]:
        files = sorted(folder.glob(f"{kind}_*.pb"), key=lambda f: int(f.stem.split("_")[1]))
        return [numpy_helper.to_array(onnx.load_tensor(str(file))) for file in files]

    for folder in sorted(entry for entry in root.iterdir() if entry.is_dir()):
        data = [(tensors(part, "input"), tensors(part, "output")) for part in sorted(folder.glob("test_data_set_*"))]
        yield _one(folder.name, onnx.load(str(folder / "model.onnx")), data)


def measure(progress: Callable[[str], None] | None = None) -> Coverage:
    """Run all sets."""
    results = list(node_results())
    if progress is not None:
        progress("node tests")
    groups: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if len(result.operators) == 1:
            groups[result.operators[0]].append(result)
    rows = []
    for operator in supported():
        mine = groups.get(operator, [])
        layers = sorted({layer for r in mine for layer in r.layers})
        lowers = sorted({kind for r in mine for kind in r.lowers})
        passed = sum(not r.error for r in mine)
        ran = sum(not r.error and not r.trouble for r in mine)
        rows.append(Row(operator, len(mine), passed, ran, ", ".join(layers), ", ".join(lowers)))
    sets = []
    for name in ("pytorch-converted", "pytorch-operator"):
        found = list(set_results(name))
        sets.append((name, sum(not r.error for r in found), len(found)))
    failures = tuple(r for r in results if r.error)
    return Coverage(tuple(rows), len(results), len(results) - len(failures), failures, tuple(sets))


def coverage_md(found: Coverage) -> str:
    """The coverage as Markdown."""
    single = sum(r.passed for r in found.rows), sum(r.tests for r in found.rows)
    lines = [
        "# Operator coverage",
        "",
        "Written by `accelsim coverage --out reports/coverage.md`. Every test of the `onnx` package whose operators can"
        " be imported is imported, run by the NumPy reference, and compared with the expected output.",
        "",
        f"- node tests of covered operators: {found.passed} of {found.covered} pass; with one operator alone "
        f"{single[0]} of {single[1]}",
        *(f"- {name}: {passed} of {tests}" for name, passed, tests in found.sets),
        "",
        "Tests with one operator: passed, layer that computes it (the reference), what it lowers to, and how many ran "
        f"on `{MACHINE}` under all laws. Operators without a test of their own stand in chains or files.",
        "",
        "| ONNX operator | tests passed | reference | lowers to | simulated |",
        "|---|---|---|---|---|",
        *(f"| {r.operator} | {r.passed} of {r.tests} | {r.layer} | {r.lowers} | {r.simulated} |" for r in found.rows),
        "",
        "## Covered tests that do not pass",
        "",
        "| test | reason |",
        "|---|---|",
        *(f"| {f.name} | {f.error} |" for f in found.failures),
    ]
    return "\n".join(lines) + "\n"
