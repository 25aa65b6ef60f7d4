"""SqueezeNet 1.0 and 1.1 (Iandola et al., 2016, arXiv 1602.07360, table 1): fire modules, no fully connected layer."""

from accelsim.graph import Handle, LayerGraph, Network

VARIANTS = {"squeezenet1_0": {}, "squeezenet1_1": {"version": "1.1"}}

# (squeeze, expand) of every fire module, None for a pooling: table 1, and the authors' release of 1.1
FIRES = {
    "1.0": [(16, 64), (16, 64), (32, 128), None, (32, 128), (48, 192), (48, 192), (64, 256), None, (64, 256)],
    "1.1": [(16, 64), (16, 64), None, (32, 128), (32, 128), None, (48, 192), (48, 192), (64, 256), (64, 256)],
}


def fire(net: Network, x: Handle, squeeze: int, expand: int) -> Handle:
    """1x1 squeeze; 1x1 and 3x3 expand side by side."""
    x = net.relu(net.conv(x, squeeze, 1, name="squeeze"))
    one = net.relu(net.conv(x, expand, 1, name="expand1x1"))
    three = net.relu(net.conv(x, expand, 3, pad=1, name="expand3x3"))
    return net.concat(one, three)


def build(batch: int = 1, version: str = "1.0", classes: int = 1000, size: int = 224) -> LayerGraph:
    """SqueezeNet `1.0` or `1.1`."""
    if version not in FIRES:
        raise ValueError(f"version {version!r}, expected one of {sorted(FIRES)}")
    net = Network(f"squeezenet{version}", batch=batch)
    x = net.input(3, size, size)
    with net.scope("stem"):
        x = net.conv(x, 96, 7, stride=2) if version == "1.0" else net.conv(x, 64, 3, stride=2)
        x = net.max_pool(net.relu(x), 3, stride=2, ceil_mode=True)
    number = 1
    for entry in FIRES[version]:
        if entry is None:
            x = net.max_pool(x, 3, stride=2, ceil_mode=True)
            continue
        number += 1
        with net.scope(f"fire{number}"):
            x = fire(net, x, *entry)
    with net.scope("head"):
        x = net.relu(net.conv(net.dropout(x), classes, 1))
        x = net.flatten(net.global_avg_pool(x))
    return net.build(x)
