"""RetinaNet with ResNet-50 and FPN (Lin et al., ICCV 2017, arXiv 1708.02002, section 4; FPN: arXiv 1612.03144).

Five levels, strides 8 to 128; the two heads have the same weights on all of them. P6 is made from P5, or from C5 as in
the paper (`p6_from="C5"`). Outputs: class logits and box deltas of every level, from P3 to P7.
"""

from accelsim.graph import Handle, LayerGraph, Network

VARIANTS = {"retinanet": {}, "retinanet_c5": {"p6_from": "C5"}}

REPEATS = (3, 4, 6, 3)
WIDTH = 256


def conv_bn(net: Network, x: Handle, channels: int, kernel: int, stride: int = 1) -> Handle:
    """Convolution without bias, batch norm."""
    return net.batch_norm(net.conv(x, channels, kernel, stride=stride, pad=kernel // 2, bias=False))


def bottleneck(net: Network, x: Handle, channels: int, stride: int) -> Handle:
    """1x1, 3x3, 1x1 with four times the channels, and the shortcut."""
    y = net.relu(conv_bn(net, x, channels, 1))
    y = net.relu(conv_bn(net, y, channels, 3, stride))
    y = conv_bn(net, y, 4 * channels, 1)
    if y.shape != x.shape:
        x = conv_bn(net, x, y.channels, 1, stride)
    return net.relu(net.add(y, x))


def backbone(net: Network, x: Handle) -> list[Handle]:
    """ResNet-50: C3, C4 and C5, at an 8th, a 16th and a 32nd of the size."""
    with net.scope("stem"):
        x = net.max_pool(net.relu(conv_bn(net, x, 64, 7, 2)), 3, stride=2, pad=1)
    found = []
    for stage, repeats in enumerate(REPEATS, start=1):
        for unit in range(1, repeats + 1):
            with net.scope(f"stage{stage}.{unit}"):
                x = bottleneck(net, x, 32 * 2**stage, 2 if stage > 1 and unit == 1 else 1)
        found.append(x)
    return found[1:]


def pyramid(net: Network, maps: list[Handle], p6_from: str) -> list[Handle]:
    """P3 to P7: every level is a 1x1 of its map plus the level above enlarged, then smoothed by a 3x3."""
    merged = [net.conv(maps[-1], WIDTH, 1, name="lateral5")]
    for level in (4, 3):
        lateral = net.conv(maps[level - 3], WIDTH, 1, name=f"lateral{level}")
        merged.append(net.add(lateral, net.upsample(merged[-1], *lateral.shape[2:])))
    levels = [net.conv(x, WIDTH, 3, pad=1, name=f"p{level}") for level, x in zip((3, 4, 5), merged[::-1], strict=True)]
    p6 = net.conv(maps[-1] if p6_from == "C5" else levels[-1], WIDTH, 3, stride=2, pad=1, name="p6")
    return [*levels, p6, net.conv(net.relu(p6), WIDTH, 3, stride=2, pad=1, name="p7")]


def head(net: Network, x: Handle, name: str, channels: int) -> Handle:
    """Four 3x3 convolutions with ReLU and one to the outputs; weights named after the head, for all levels."""
    for layer in range(1, 5):
        x = net.relu(net.conv(x, WIDTH, 3, pad=1, share=f"{name}.conv{layer}"))
    return net.conv(x, channels, 3, pad=1, name="output", share=f"{name}.output")


def build(
    batch: int = 1, p6_from: str = "P5", anchors: int = 9, classes: int = 80, height: int = 800, width: int = 1280
) -> LayerGraph:
    """RetinaNet-50; per level logits (N, anchors x classes, rows, cols) and boxes (N, anchors x 4, rows, cols)."""
    if p6_from not in ("P5", "C5"):
        raise ValueError(f"p6_from {p6_from!r}, expected 'P5' or 'C5'")
    net = Network("retinanet", batch=batch)
    maps = backbone(net, net.input(3, height, width))
    with net.scope("fpn"):
        levels = pyramid(net, maps, p6_from)
    outputs = []
    for level, x in enumerate(levels, start=3):
        for name, channels in (("classes", anchors * classes), ("boxes", anchors * 4)):
            with net.scope(f"{name}.p{level}"):
                outputs.append(head(net, x, name, channels))
    return net.build(*outputs)
