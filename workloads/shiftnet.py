"""ShiftResNet for CIFAR and ShiftNet-A, B, C (Wu et al., CVPR 2018, arXiv 1711.08141): shifts instead of 3x3 filters.

`resnet`: ShiftResNet-20, 56 or 110 with CSC modules (1x1, shift, 1x1) of expansion e (section 4.1). `A`, `B`, `C`: the
ImageNet nets of table 5; the paper leaves their details open, so these are approximate, and their names say so
(published: 4.1, 1.1 and 0.78 M parameters).
"""

from accelsim.graph import Handle, LayerGraph, Network

VARIANTS = {
    "shiftresnet20": {"expansion": 3},
    "shiftresnet56": {"depth": 56, "expansion": 3},
    "shiftresnet110": {"depth": 110, "expansion": 3},
    "shiftnet_a": {"kind": "A", "size": 224, "classes": 1000},
    "shiftnet_b": {"kind": "B", "size": 224, "classes": 1000},
    "shiftnet_c": {"kind": "C", "size": 224, "classes": 1000},
}

# stages of (kernel, channels, expansion, blocks): table 4, scaled for B and C as in table 5
STAGES = {
    "A": (64, [(5, 64, 4, 1), (5, 128, 4, 5), (3, 256, 3, 6), (3, 512, 2, 7)]),
    "B": (32, [(5, 32, 4, 1), (5, 64, 4, 5), (3, 128, 3, 6), (3, 256, 2, 7)]),
    "C": (16, [(5, 32, 1, 1), (5, 64, 2, 4), (3, 128, 3, 5), (3, 256, 2, 3)]),
}


def conv_bn(net: Network, x: Handle, channels: int, kernel: int = 1, stride: int = 1) -> Handle:
    """Convolution without bias, batch norm."""
    return net.batch_norm(net.conv(x, channels, kernel, stride=stride, pad=kernel // 2, bias=False))


def csc(net: Network, x: Handle, channels: int, stride: int, expansion: int, kernel: int = 3) -> Handle:
    """1x1, shift, 1x1, and the shortcut, projected where shapes differ."""
    y = net.relu(conv_bn(net, x, expansion * channels))
    y = conv_bn(net, net.shift(y, kernel), channels, 1, stride)
    if y.shape != x.shape:
        x = conv_bn(net, x, channels, 1, stride)
    return net.relu(net.add(y, x))


def shiftresnet(net: Network, x: Handle, depth: int, expansion: int) -> Handle:
    """Stem and three stages of CSC modules with 16, 32 and 64 channels."""
    with net.scope("stem"):
        x = net.relu(conv_bn(net, x, 16, 3))
    for stage in range(3):
        for number in range((depth - 2) // 6):
            with net.scope(f"stage{stage + 1}.{number + 1}"):
                x = csc(net, x, 16 * 2**stage, 2 if stage > 0 and number == 0 else 1, expansion)
    return x


def shiftnet(net: Network, x: Handle, kind: str) -> Handle:
    """A 7x7 stem and four strided stages of CSC modules."""
    stem, stages = STAGES[kind]
    with net.scope("stem"):
        x = net.relu(conv_bn(net, x, stem // 2, 7, 2))
    for stage, (kernel, channels, expansion, blocks) in enumerate(stages, start=1):
        for number in range(blocks):
            with net.scope(f"stage{stage}.{number + 1}"):
                x = csc(net, x, channels, 2 if number == 0 else 1, expansion, kernel)
    return x


def build(
    batch: int = 1, kind: str = "resnet", depth: int = 20, expansion: int = 1, classes: int = 10, size: int = 32
) -> LayerGraph:
    """ShiftResNet of a depth and expansion, or ShiftNet `A`, `B` or `C`."""
    if kind != "resnet" and kind not in STAGES:
        raise ValueError(f"kind {kind!r}, expected resnet, A, B or C")
    if kind == "resnet" and (depth < 8 or depth % 6 != 2 or expansion < 1):
        raise ValueError(f"depth {depth} and expansion {expansion}, expected 6 n + 2 and at least 1")
    name = f"shiftresnet{depth}-e{expansion}" if kind == "resnet" else f"shiftnet_{kind.lower()}-approximate"
    net = Network(name, batch=batch)
    x = net.input(3, size, size)
    x = shiftresnet(net, x, depth, expansion) if kind == "resnet" else shiftnet(net, x, kind)
    with net.scope("head"):
        x = net.linear(net.flatten(net.global_avg_pool(x)), classes)
    return net.build(x)
