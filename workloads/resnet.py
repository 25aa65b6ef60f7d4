"""ResNet (He et al., CVPR 2016, arXiv 1512.03385, table 1) and its plain nets, projection or padded shortcuts.

`stride_in_1x1` puts the stride of a bottleneck into its first 1x1 convolution, as in the paper; the default is the
3x3, as in every library (231,211,008 more MACs). `shortcut`: `B` projects where shapes differ, `A` takes every second
row and column and pads the channels with zeros (no parameters), `none` has no shortcuts: a plain net.
"""

from accelsim.graph import Handle, LayerGraph, Network

VARIANTS = {
    "resnet18": {"depth": 18},
    "resnet34": {"depth": 34},
    "resnet50": {"depth": 50},
    "resnet50_v1": {"depth": 50, "stride_in_1x1": True},
    "resnet101": {"depth": 101},
    "resnet152": {"depth": 152},
    "resnet18_a": {"depth": 18, "shortcut": "A"},
    "resnet34_a": {"depth": 34, "shortcut": "A"},
    "plain18": {"depth": 18, "shortcut": "none"},
    "plain34": {"depth": 34, "shortcut": "none"},
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


def padded(net: Network, x: Handle, channels: int, stride: int) -> Handle:
    """Option A: every `stride`-th row and column, channels filled up with zeros."""
    if stride > 1:
        x = net.slice(x, 2, 0, x.shape[2], step=stride)
        x = net.slice(x, 3, 0, x.shape[3], step=stride)
    return net.pad(x, 0, 0, 0, 0, 0, channels - x.channels, 0, 0) if channels > x.channels else x


def join(net: Network, x: Handle, y: Handle, stride: int, shortcut: str) -> Handle:
    """The sum with the shortcut, if any, and its ReLU."""
    if shortcut == "none":
        return net.relu(y)
    if y.shape != x.shape:
        x = padded(net, x, y.channels, stride) if shortcut == "A" else conv_bn(net, x, y.channels, 1, stride)
    return net.relu(net.add(y, x))


def build(
    batch: int = 1,
    depth: int = 18,
    stride_in_1x1: bool = False,
    shortcut: str = "B",
    classes: int = 1000,
    size: int = 224,
) -> LayerGraph:
    """ResNet-18, 34, 50, 101 or 152."""
    if depth not in REPEATS:
        raise ValueError(f"depth {depth}, expected one of {sorted(REPEATS)}")
    if shortcut not in ("A", "B", "none"):
        raise ValueError(f"shortcut {shortcut!r}, expected A, B or none")
    net = Network(f"{'plain' if shortcut == 'none' else 'resnet'}{depth}", batch=batch)
    x = net.input(3, size, size)
    with net.scope("stem"):
        x = net.relu(conv_bn(net, x, 64, 7, 2))
        x = net.max_pool(x, 3, stride=2, pad=1)
    for stage, repeats in enumerate(REPEATS[depth]):
        channels = 64 * 2**stage
        for repeat in range(repeats):
            stride = 2 if stage > 0 and repeat == 0 else 1
            with net.scope(f"stage{stage + 1}.{repeat + 1}"):
                if depth >= 50:
                    y = bottleneck(net, x, channels, stride, stride_in_1x1)
                else:
                    y = basic(net, x, channels, stride)
                x = join(net, x, y, stride, shortcut)
    with net.scope("head"):
        x = net.linear(net.flatten(net.global_avg_pool(x)), classes)
    return net.build(x)
