"""Starter files for a network and a machine, commented, which run as they are."""

from __future__ import annotations

import re
from pathlib import Path

from accelsim.errors import InputError

MODEL = '''"""{name}: say here in one line what the network is and where it comes from."""

from accelsim.graph import LayerGraph, Network

# names for `--model`; each gives values to parameters of build
VARIANTS = {{"{name}": {{}}, "{name}_wide": {{"width": 2.0}}}}


def build(batch: int = 1, width: float = 1.0, classes: int = 10, size: int = 32) -> LayerGraph:
    """Every parameter can be set on the command line: `--model {name}.py:width=0.5,size=64`."""
    net = Network("{name}", batch=batch)
    x = net.input(3, size, size)  # channels, rows, columns; the batch comes in front
    for stage in range(3):
        with net.scope(f"stage{{stage + 1}}"):  # layer names get this prefix
            channels = int(16 * width) * 2**stage
            x = net.relu(net.batch_norm(net.conv(x, channels, 3, pad=1, bias=False)))
            y = net.conv(x, channels, 3, pad=1)  # a residual branch
            x = net.max_pool(net.relu(net.add(x, y)), 2)
    x = net.flatten(net.global_avg_pool(x))
    return net.build(net.linear(x, classes))  # one handle per output
'''


def _target(name: str, suffix: str) -> tuple[Path, str]:
    path = Path(name if name.endswith(suffix) else name + suffix)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", path.stem):
        raise InputError(f"name {path.stem!r}, expected letters, digits and _ with a letter first")
    if path.exists():
        raise InputError(f"{path} exists already; choose another name")
    return path, path.stem


def model_file(name: str) -> tuple[Path, bytes]:
    """NAME.py and its text.

    Raises:
        InputError: a name that is no identifier, or a file that exists.
    """
    path, stem = _target(name, ".py")
    return path, MODEL.format(name=stem).encode()


def arch_file(name: str, example: str, example_name: str) -> tuple[Path, bytes]:
    """NAME.yaml and its text, a machine like the example (its text and name) to change from.

    Raises:
        InputError: a name that is no identifier, or a file that exists.
    """
    path, stem = _target(name, ".yaml")
    text = example.replace(f"name: {example_name}", f"name: {stem}", 1)
    text = f"# {stem}: a copy of {example_name} to change; write the source of every number beside it.\n{text}"
    return path, text.encode()
