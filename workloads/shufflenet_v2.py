"""ShuffleNet v2 (Ma et al., ECCV 2018, arXiv 1807.11164, table 5): channel split, shuffle by two."""

from accelsim.graph import Handle, LayerGraph, Network

VARIANTS = {
    "shufflenet_v2_x0_5": {"width": 0.5},
    "shufflenet_v2": {},
    "shufflenet_v2_x1_5": {"width": 1.5},
    "shufflenet_v2_x2_0": {"width": 2.0},
}

# stages 2 to 4 and the last convolution: table 5
WIDTHS = {
    0.5: (48, 96, 192, 1024), 1.0: (116, 232, 464, 1024), 1.5: (176, 352, 704, 1024), 2.0: (244, 488, 976, 2048),
}  # fmt: skip
UNITS = (4, 8, 4)


def conv_bn(net: Network, x: Handle, channels: int, kernel: int, stride: int = 1, groups: int = 1) -> Handle:
    """Convolution without bias, batch norm."""
    return net.batch_norm(
        net.conv(x, channels, kernel, stride=stride, pad=kernel // 2, groups=groups, bias=False)
    )  # fmt: skip


def branch(net: Network, x: Handle, channels: int, stride: int) -> Handle:
    """1x1, depthwise 3x3, 1x1."""
    y = net.relu(conv_bn(net, x, channels, 1))
    y = conv_bn(net, y, channels, 3, stride, groups=channels)
    return net.relu(conv_bn(net, y, channels, 1))


def unit(net: Network, x: Handle, out: int, stride: int) -> Handle:
    """Half of the channels pass, the other half goes through the branch; strided units branch twice."""
    half = out // 2
    if stride == 1:
        left, right = net.split(x, (half, half))
        y = net.concat(left, branch(net, right, half, 1))
    else:
        left = conv_bn(net, x, x.channels, 3, stride, groups=x.channels)
        left = net.relu(conv_bn(net, left, half, 1))
        y = net.concat(left, branch(net, x, half, stride))
    return net.channel_shuffle(y, 2)


def build(batch: int = 1, width: float = 1.0, classes: int = 1000, size: int = 224) -> LayerGraph:
    """ShuffleNet v2 of one of the published widths."""
    if width not in WIDTHS:
        raise ValueError(f"width {width}, expected one of {sorted(WIDTHS)}")
    net = Network("shufflenet_v2", batch=batch)
    with net.scope("stem"):
        x = net.relu(conv_bn(net, net.input(3, size, size), 24, 3, 2))
        x = net.max_pool(x, 3, stride=2, pad=1)
    for stage, (out, units) in enumerate(zip(WIDTHS[width], UNITS, strict=False)):
        for number in range(units):
            with net.scope(f"stage{stage + 2}.{number + 1}"):
                x = unit(net, x, out, 2 if number == 0 else 1)
    with net.scope("head"):
        x = net.relu(conv_bn(net, x, WIDTHS[width][-1], 1))
        x = net.linear(net.flatten(net.global_avg_pool(x)), classes)
    return net.build(x)
