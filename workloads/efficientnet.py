"""EfficientNet-B0 to B7 (Tan and Le, ICML 2019, arXiv 1905.11946, table 1 and equation 3): MBConv with SE and SiLU."""

from math import ceil

from accelsim.graph import Handle, LayerGraph, Network

VARIANTS = {
    "efficientnet_b0": {"variant": "b0", "size": 224},
    "efficientnet_b1": {"variant": "b1", "size": 240},
    "efficientnet_b2": {"variant": "b2", "size": 260},
    "efficientnet_b3": {"variant": "b3", "size": 300},
    "efficientnet_b4": {"variant": "b4", "size": 380},
    "efficientnet_b5": {"variant": "b5", "size": 456},
    "efficientnet_b6": {"variant": "b6", "size": 528},
    "efficientnet_b7": {"variant": "b7", "size": 600},
}

# width and depth multipliers: the authors' code
SCALES = {
    "b0": (1.0, 1.0), "b1": (1.0, 1.1), "b2": (1.1, 1.2), "b3": (1.2, 1.4), "b4": (1.4, 1.8), "b5": (1.6, 2.2),
    "b6": (1.8, 2.6), "b7": (2.0, 3.1),
}  # fmt: skip
# expansion, kernel, stride, channels, layers: table 1
STAGES = [
    (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
]  # fmt: skip


def divisible(channels: float, by: int = 8) -> int:
    """Round to a multiple of `by`, never down by more than a tenth."""
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * channels else rounded


def conv_bn(net: Network, x: Handle, channels: int, kernel: int, stride: int = 1, groups: int = 1) -> Handle:
    """Convolution without bias, batch norm."""
    x = net.conv(x, channels, kernel, stride=stride, pad=kernel // 2, groups=groups, bias=False)
    return net.batch_norm(x, eps=1e-3)


def mbconv(net: Network, x: Handle, channels: int, kernel: int, stride: int, expand: int) -> Handle:
    """Expand, depthwise, squeeze and excite (a quarter of the block's input channels), project."""
    y, hidden = x, x.channels * expand
    if expand != 1:
        y = net.silu(conv_bn(net, y, hidden, 1))
    y = net.silu(conv_bn(net, y, hidden, kernel, stride, groups=hidden))
    y = net.squeeze_excite(y, max(1, x.channels // 4), act=net.silu)
    y = conv_bn(net, y, channels, 1)
    return net.add(net.stochastic_depth(y), x) if y.shape == x.shape else y


def build(batch: int = 1, variant: str = "b0", classes: int = 1000, size: int = 224) -> LayerGraph:
    """EfficientNet `b0` to `b7`."""
    if variant not in SCALES:
        raise ValueError(f"variant {variant!r}, expected one of {sorted(SCALES)}")
    width, depth = SCALES[variant]
    net = Network(f"efficientnet_{variant}", batch=batch)
    with net.scope("stem"):
        x = net.silu(conv_bn(net, net.input(3, size, size), divisible(32 * width), 3, 2))
    for number, (expand, kernel, stride, channels, layers) in enumerate(STAGES, start=1):
        for layer in range(ceil(layers * depth)):
            with net.scope(f"stage{number}.{layer + 1}"):
                x = mbconv(net, x, divisible(channels * width), kernel, stride if layer == 0 else 1, expand)
    with net.scope("head"):
        x = net.silu(conv_bn(net, x, 4 * x.channels, 1))
        x = net.linear(net.dropout(net.flatten(net.global_avg_pool(x)), 0.2), classes)
    return net.build(x)
