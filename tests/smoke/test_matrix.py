"""Does every network run on every machine? A diagonal always, all of it with `-m slow`."""

from __future__ import annotations

import pytest

import accelsim
from accelsim.graph import LayerGraph, Network
from accelsim.lookup import list_archs, load_arch, load_model
from accelsim.pipeline import run
from accelsim.plan import Options
from accelsim.proof import Proof, verify

ARCHS = ("eyeriss", "tpu_v1", "edge_os_32x32")
MORE = tuple(sorted(set(list_archs()) - set(ARCHS)))
MODELS = ("mobilenet_v2", "resnet18", "resnet50", "resnet50_v1", "alexnet", "vgg16", "mlp", "rnn")
MACS = {model: load_model(model)[0].macs for model in (*MODELS, "shufflenet_v1", "squeezenet1_0", "lstm")}


def check_run(arch: str, model: str, batch: int = 1) -> None:
    report = accelsim.run(arch, model, batch=batch)
    assert report.totals.macs == batch * MACS[model.partition(":")[0]] or ":" in model
    for layer in report.results:
        assert layer.unit == "view" or (layer.cycles > 0 and layer.total_energy_fj > 0), layer.name
        assert layer.note


@pytest.mark.parametrize(
    ("arch", "model"),
    [
        ("eyeriss", "mobilenet_v2"),
        ("tpu_v1", "rnn"),
        ("edge_os_32x32", "resnet18"),
        ("eyeriss", "mlp"),
        ("eyeriss", "shufflenet_v1"),
        ("tpu_v1", "squeezenet1_0"),
        ("edge_os_32x32", "lstm"),
    ],
)
def test_diagonal(arch: str, model: str) -> None:
    check_run(arch, model)


def test_batches() -> None:
    check_run("tpu_v1", "mlp", batch=4)


def small() -> LayerGraph:
    """An ordinary, a strided, a depthwise and a pointwise convolution, pooling, a classifier."""
    net = Network("small")
    x = net.relu(net.conv(net.input(3, 17, 17), 24, kernel=3, stride=2, pad=1))
    x = net.relu(net.conv(x, 24, kernel=3, pad=1, groups=24))
    x = net.max_pool(net.conv(x, 40, kernel=1), 2)
    return net.build(net.linear(net.flatten(net.global_avg_pool(x)), 10))


@pytest.mark.parametrize("arch", MORE)
def test_every_machine_runs_and_verifies(arch: str) -> None:
    machine, graph = load_arch(arch)[0], small()
    report = run(machine, graph)
    assert all(layer.unit == "view" or layer.cycles > 0 for layer in report.results)
    check_proof(verify(machine, graph, Options(), model="small", seed=3))


@pytest.mark.slow
@pytest.mark.parametrize("arch", (*ARCHS, *MORE))
@pytest.mark.parametrize("model", MODELS)
def test_matrix(arch: str, model: str) -> None:
    check_run(arch, model)


def check_proof(proof: Proof) -> None:
    assert [layer.name for layer in proof.layers if not layer.exact] == []


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("model", ["mobilenet_v2:size=32,width=0.25", "resnet18:size=32", "mlp", "rnn:steps=3"])
def test_small_networks_verify(arch: str, model: str) -> None:
    check_proof(accelsim.verify(arch, model))


def test_batches_verify() -> None:
    check_proof(accelsim.verify("eyeriss", "resnet18:size=32", batch=2, seed=5))


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("model", ["mobilenet_v2", "resnet18"])
def test_full_networks_verify(arch: str, model: str) -> None:
    check_proof(accelsim.verify(arch, model))
