"""ResNet (He et al., CVPR 2016, arXiv 1512.03385, table 1), projection shortcuts (option B).

`stride_in_1x1` puts the stride of a bottleneck into its first 1x1 convolution, as in the paper; the default is the
3x3, as in every library (231,211,008 more MACs).
"""

from accelsim.graph import Handle, LayerGraph, Network

VARIANTS = {
    "resnet18": {"depth": 18},
    "resnet34": {"depth": 34},
    "resnet50": {"depth": 50},
    "resnet50_v1": {"depth": 50, "stride_in_1x1": True},
    "resnet101": {"depth": 101},
    "resnet152": {"depth": 152},
}

REPEATS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def conv_bn(net: Network, x: Handle, channels: int, kernel: int, stride: int = 1) -> Handle:
    """Convolution without bias, batch norm."""
    return net.batch_norm(net.conv(x, channels, kernel, stride=stride, pad=kernel // 2, bias=False))


def basic(net: Network, x: Handle, channels: int, stride: int) -> Handle:
    """Two 3x3 convolutions."""
    y = net.relu(conv_bn(net, x, channels, 3, stride))
    return conv_bn(net, y, channels, 3)


def bottleneck(net: Network, x: Handle, channels: int, stride: int, stride_in_1x1: bool) -> Handle:
    """1x1, 3x3, 1x1 with four times the channels."""
    first, second = (stride, 1) if stride_in_1x1 else (1, stride)
    y = net.relu(conv_bn(net, x, channels, 1, first))
    y = net.relu(conv_bn(net, y, channels, 3, second))
    return conv_bn(net, y, 4 * channels, 1)


def build(
    batch: int = 1, depth: int = 18, stride_in_1x1: bool = False, classes: int = 1000, size: int = 224
) -> LayerGraph:
    """ResNet-18, 34, 50, 101 or 152."""
    if depth not in REPEATS:
        raise ValueError(f"depth {depth}, expected one of {sorted(REPEATS)}")
    net = Network(f"resnet{depth}", batch=batch)
    x = net.input(3, size, size)
    with net.scope("stem"):
        x = net.relu(conv_bn(net, x, 64, 7, 2))
        x = net.max_pool(x, 3, stride=2, pad=1)
    for stage, repeats in enumerate(REPEATS[depth]):
        channels = 64 * 2**stage
        for repeat in range(repeats):
            stride = 2 if stage > 0 and repeat == 0 else 1
            with net.scope(f"stage{stage + 1}.{repeat + 1}"):
                y = (
                    bottleneck(net, x, channels, stride, stride_in_1x1)
                    if depth >= 50
                    else basic(net, x, channels, stride)
                )
                if y.shape != x.shape:
                    x = conv_bn(net, x, y.channels, 1, stride)
                x = net.relu(net.add(y, x))
    with net.scope("head"):
        x = net.linear(net.flatten(net.global_avg_pool(x)), classes)
    return net.build(x)
