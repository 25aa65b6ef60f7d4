"""The library's front door: names and files in, reports out."""

from __future__ import annotations

from collections.abc import Callable

from accelsim.lookup import load_arch, load_model
from accelsim.mapper.search import Objective
from accelsim.plan import Options
from accelsim.pipeline import run as run_pipeline
from accelsim.proof import LayerProof, Proof
from accelsim.proof import verify as verify_network
from accelsim.report import RunReport


def run(
    arch: str,
    model: str,
    *,
    batch: int = 1,
    objective: Objective = "edp",
    progress: Callable[[str], None] | None = None,
) -> RunReport:
    """Simulate a network on a machine, both by name or file.

    Args:
        arch: `eyeriss`, `eyeriss.yaml` or a path. model: `mobilenet_v2`, `mobilenet_v2:width=0.5` or `my_net.py`.
        objective: what the mapper minimises: `edp`, `energy` or `latency`.

    Raises:
        InputError: an unknown name or wrong file. MappingError: a layer does not fit the machine.
    """
    machine, arch_file = load_arch(arch)
    graph, model_file = load_model(model, batch)
    sources = {arch_file.shown: arch_file.sha256, model_file.shown: model_file.sha256}
    return run_pipeline(
        machine, graph, Options(objective), model=_name(model), sources=sources, progress=progress
    )  # fmt: skip


def verify(
    arch: str,
    model: str,
    *,
    batch: int = 1,
    seed: int = 0,
    objective: Objective = "edp",
    on_layer: Callable[[LayerProof], None] | None = None,
) -> Proof:
    """Prove a run: every array pass on integers, against the reference, values and words."""
    machine, _ = load_arch(arch)
    graph, _ = load_model(model, batch)
    return verify_network(machine, graph, Options(objective), model=_name(model), seed=seed, on_layer=on_layer)


def _name(spec: str) -> str:
    """A model spec without folders."""
    head, colon, tail = spec.partition(":")
    return head.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".py") + colon + tail
