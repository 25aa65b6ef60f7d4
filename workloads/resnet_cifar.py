"""ResNets for CIFAR (He et al., CVPR 2016, arXiv 1512.03385, section 4.2): depth 6n+2, 20 to 1202, and plain nets."""

from accelsim.graph import Handle, LayerGraph, Network

VARIANTS = {
    "resnet20": {},
    "resnet32": {"depth": 32},
    "resnet44": {"depth": 44},
    "resnet56": {"depth": 56},
    "resnet110": {"depth": 110},
    "resnet1202": {"depth": 1202},
    "resnet_cifar": {},
    "plain20": {"shortcut": "none"},
    "plain32": {"depth": 32, "shortcut": "none"},
    "plain44": {"depth": 44, "shortcut": "none"},
    "plain56": {"depth": 56, "shortcut": "none"},
}


def conv_bn(net: Network, x: Handle, channels: int, kernel: int, stride: int = 1) -> Handle:
    """Convolution without bias, batch norm."""
    return net.batch_norm(net.conv(x, channels, kernel, stride=stride, pad=kernel // 2, bias=False))


def padded(net: Network, x: Handle, channels: int) -> Handle:
    """Option A: every second row and column, channels filled up with zeros on both sides."""
    x = net.slice(net.slice(x, 2, 0, x.shape[2], step=2), 3, 0, x.shape[3], step=2)
    more = channels - x.channels
    return net.pad(x, 0, more // 2, 0, 0, 0, more - more // 2, 0, 0)


def block(net: Network, x: Handle, channels: int, stride: int, shortcut: str) -> Handle:
    """Two 3x3 convolutions and the shortcut."""
    y = net.relu(conv_bn(net, x, channels, 3, stride))
    y = conv_bn(net, y, channels, 3)
    if shortcut != "none":
        if y.shape != x.shape:
            x = padded(net, x, channels) if shortcut == "A" else conv_bn(net, x, channels, 1, stride)
        y = net.add(y, x)
    return net.relu(y)


def build(batch: int = 1, depth: int = 20, shortcut: str = "A", classes: int = 10, size: int = 32) -> LayerGraph:
    """Three stages of (depth - 2) / 6 blocks with 16, 32 and 64 channels."""
    if depth < 8 or depth % 6 != 2:
        raise ValueError(f"depth {depth}, expected 6 n + 2, as 20, 32, 44, 56, 110 or 1202")
    if shortcut not in ("A", "B", "none"):
        raise ValueError(f"shortcut {shortcut!r}, expected A, B or none")
    net = Network(f"{'plain' if shortcut == 'none' else 'resnet'}{depth}", batch=batch)
    with net.scope("stem"):
        x = net.relu(conv_bn(net, net.input(3, size, size), 16, 3))
    for stage in range(3):
        for number in range((depth - 2) // 6):
            with net.scope(f"stage{stage + 1}.{number + 1}"):
                x = block(net, x, 16 * 2**stage, 2 if stage > 0 and number == 0 else 1, shortcut)
    with net.scope("head"):
        x = net.linear(net.flatten(net.global_avg_pool(x)), classes)
    return net.build(x)
