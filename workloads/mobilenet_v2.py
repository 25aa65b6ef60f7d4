"""MobileNetV2 (Sandler et al., CVPR 2018, arXiv 1801.04381, table 2); widths rounded to 8 as in the authors' code."""

from accelsim.graph import Handle, LayerGraph, Network

VARIANTS = {"mobilenet_v2": {}}

# expansion t, channels c, repeats n, stride of the first s: table 2
STAGES = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
]


def divisible(channels: float, by: int = 8) -> int:
    """Round to a multiple of `by`, never down by more than a tenth."""
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * channels else rounded


def conv_bn(net: Network, x: Handle, channels: int, kernel: int, stride: int = 1, groups: int = 1) -> Handle:
    """Convolution without bias, batch norm."""
    x = net.conv(x, channels, kernel, stride=stride, pad=kernel // 2, groups=groups, bias=False)
    return net.batch_norm(x)


def inverted_residual(net: Network, x: Handle, channels: int, stride: int, expand: int) -> Handle:
    """Expand, depthwise, project; the input is added if the shape allows."""
    y, hidden = x, x.channels * expand
    if expand != 1:
        y = net.relu6(conv_bn(net, y, hidden, 1))
    y = net.relu6(conv_bn(net, y, hidden, 3, stride, groups=hidden))
    y = conv_bn(net, y, channels, 1)
    return net.add(x, y) if y.shape == x.shape else y


def build(batch: int = 1, width: float = 1.0, classes: int = 1000, size: int = 224) -> LayerGraph:
    """MobileNetV2 of any width multiplier."""
    net = Network("mobilenet_v2", batch=batch)
    x = net.input(3, size, size)
    with net.scope("stem"):
        x = net.relu6(conv_bn(net, x, divisible(32 * width), 3, stride=2))
    block = 0
    for expand, channels, repeats, first_stride in STAGES:
        for repeat in range(repeats):
            block += 1
            with net.scope(f"block{block}"):
                stride = first_stride if repeat == 0 else 1
                x = inverted_residual(net, x, divisible(channels * width), stride, expand)
    with net.scope("head"):
        x = net.relu6(conv_bn(net, x, divisible(1280 * max(1.0, width)), 1))
        x = net.flatten(net.global_avg_pool(x))
        x = net.linear(x, classes)
    return net.build(x)
