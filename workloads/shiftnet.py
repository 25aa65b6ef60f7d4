"""ShiftResNet for CIFAR and ShiftNet-A, B, C (Wu et al., CVPR 2018, arXiv 1711.08141): shifts instead of 3x3 filters.

`resnet`: ShiftResNet-20, 56 or 110 with CSC modules (1x1, shift, 1x1) of expansion e (section 4.1). `A`, `B`, `C`: the
ImageNet nets of section 4.2, rebuilt from a recalled table, so approximate, and their names say so (published: 4.1, 1.1
and 0.78 M parameters).
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

# per stage: kernel, channels, (expansion, modules) of the strided and of the other modules: after table 3, recalled; B
# has half of A's channels and C a lower expansion besides, both assumed
A = [(5, 64, (4, 1), (4, 4)), (5, 128, (4, 1), (3, 5)), (3, 256, (3, 1), (2, 6)), (3, 512, (2, 1), (1, 2))]
SHRINK = {"A": (1, 0), "B": (2, 0), "C": (2, 1)}


def conv_bn(net: Network, x: Handle, channels: int, kernel: int = 1, stride: int = 1) -> Handle:
    """Convolution without bias, batch norm."""
    return net.batch_norm(net.conv(x, channels, kernel, stride=stride, pad=kernel // 2, bias=False))


def csc(net: Network, x: Handle, channels: int, stride: int, inside: int, kernel: int = 3) -> Handle:
    """1x1 to `inside` channels, shift, 1x1, and the shortcut, projected where shapes differ."""
    y = net.relu(conv_bn(net, x, inside))
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
                out = 16 * 2**stage
                x = csc(net, x, out, 2 if stage > 0 and number == 0 else 1, expansion * out)
    return x


def shiftnet(net: Network, x: Handle, kind: str) -> Handle:
    """A 7x7 stem and four stages of CSC modules, expanding their input channels."""
    divisor, lower = SHRINK[kind]
    with net.scope("stem"):
        x = net.relu(conv_bn(net, x, 32 // divisor, 7, 2))
    for stage, (kernel, channels, *groups) in enumerate(A, start=1):
        number = 0
        for stride, (expansion, modules) in zip((2, 1), groups, strict=True):
            for _ in range(modules):
                number += 1
                with net.scope(f"stage{stage}.{number}"):
                    inside = max(1, expansion - lower) * x.channels
                    x = csc(net, x, channels // divisor, stride, inside, kernel)
    return x


def build(
    batch: int = 1, kind: str = "resnet", depth: int = 20, expansion: int = 1, classes: int = 10, size: int = 32
) -> LayerGraph:
    """ShiftResNet of a depth and expansion, or ShiftNet `A`, `B` or `C`."""
    if kind != "resnet" and kind not in SHRINK:
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
