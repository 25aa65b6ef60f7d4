"""DenseNet-121, 161, 169, 201 (Huang et al., CVPR 2017, arXiv 1608.06993, table 1): layers read all before them."""

from accelsim.graph import Handle, LayerGraph, Network

VARIANTS = {
    "densenet121": {"depth": 121},
    "densenet161": {"depth": 161},
    "densenet169": {"depth": 169},
    "densenet201": {"depth": 201},
}

# layers per block, growth rate, stem channels: table 1 (161: section 4.4)
DEPTHS = {
    121: ((6, 12, 24, 16), 32, 64), 161: ((6, 12, 36, 24), 48, 96), 169: ((6, 12, 32, 32), 32, 64),
    201: ((6, 12, 48, 32), 32, 64),
}  # fmt: skip


def norm_conv(net: Network, x: Handle, channels: int, kernel: int) -> Handle:
    """Batch norm and ReLU before the convolution: the norm cannot be folded."""
    return net.conv(net.relu(net.batch_norm(x)), channels, kernel, pad=kernel // 2, bias=False)


def build(batch: int = 1, depth: int = 121, classes: int = 1000, size: int = 224) -> LayerGraph:
    """DenseNet-BC of the given depth."""
    if depth not in DEPTHS:
        raise ValueError(f"depth {depth}, expected one of {sorted(DEPTHS)}")
    blocks, growth, stem = DEPTHS[depth]
    net = Network(f"densenet{depth}", batch=batch)
    with net.scope("stem"):
        x = net.conv(net.input(3, size, size), stem, 7, stride=2, pad=3, bias=False)
        x = net.max_pool(net.relu(net.batch_norm(x)), 3, stride=2, pad=1)
    for block, layers in enumerate(blocks, start=1):
        for layer in range(1, layers + 1):
            with net.scope(f"block{block}.{layer}"):
                y = norm_conv(net, norm_conv(net, x, 4 * growth, 1), growth, 3)
                x = net.concat(x, y)
        if block < len(blocks):
            with net.scope(f"transition{block}"):
                x = net.avg_pool(norm_conv(net, x, x.channels // 2, 1), 2)
    with net.scope("head"):
        x = net.relu(net.batch_norm(x))
        x = net.linear(net.flatten(net.global_avg_pool(x)), classes)
    return net.build(x)
