"""FCN (Long et al., arXiv 1411.4038) and DeepLabv3 (Chen et al., arXiv 1706.05587) on dilated ResNets.

As in torchvision: the last two stages of the ResNet dilate in place of striding (output stride 8). Scores are upsampled
bilinearly to the image; the auxiliary classifier, used in training only, is left out.
"""

from accelsim.graph import Handle, LayerGraph, Network

VARIANTS = {
    "fcn_resnet50": {"head": "fcn"},
    "fcn_resnet101": {"head": "fcn", "depth": 101},
    "deeplabv3_resnet50": {},
    "deeplabv3_resnet101": {"depth": 101},
}

REPEATS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
RATES = (12, 24, 36)


def conv_bn(net: Network, x: Handle, channels: int, kernel: int, stride: int = 1, dilation: int = 1) -> Handle:
    """Convolution without bias, batch norm; the padding keeps the size."""
    pad = dilation * (kernel // 2)
    return net.batch_norm(net.conv(x, channels, kernel, stride=stride, pad=pad, dilation=dilation, bias=False))


def bottleneck(net: Network, x: Handle, channels: int, stride: int, dilation: int) -> Handle:
    """1x1, 3x3, 1x1 with four times the channels, and the shortcut."""
    y = net.relu(conv_bn(net, x, channels, 1))
    y = net.relu(conv_bn(net, y, channels, 3, stride, dilation))
    y = conv_bn(net, y, 4 * channels, 1)
    if y.shape != x.shape:
        x = conv_bn(net, x, y.channels, 1, stride)
    return net.relu(net.add(y, x))


def backbone(net: Network, x: Handle, depth: int) -> Handle:
    """ResNet to 2048 channels at an eighth of the size; a stage's first block has the dilation of the stage before."""
    with net.scope("stem"):
        x = net.max_pool(net.relu(conv_bn(net, x, 64, 7, 2)), 3, stride=2, pad=1)
    for stage, (repeats, dilation) in enumerate(zip(REPEATS[depth], (1, 1, 2, 4), strict=True), start=1):
        for unit in range(1, repeats + 1):
            with net.scope(f"stage{stage}.{unit}"):
                stride = 2 if stage == 2 and unit == 1 else 1
                x = bottleneck(net, x, 32 * 2**stage, stride, max(1, dilation // 2) if unit == 1 else dilation)
    return x


def fcn(net: Network, x: Handle, classes: int) -> Handle:
    """3x3 convolution to a quarter of the channels, scores."""
    x = net.relu(conv_bn(net, x, x.channels // 4, 3))
    return net.conv(net.dropout(x, 0.1), classes, 1)


def deeplab(net: Network, x: Handle, classes: int) -> Handle:
    """Atrous spatial pyramid pooling (a 1x1, three dilated 3x3, the image's mean), a 3x3, scores."""
    with net.scope("aspp"):
        branches = [net.relu(conv_bn(net, x, 256, 1))]
        branches += [net.relu(conv_bn(net, x, 256, 3, dilation=rate)) for rate in RATES]
        mean = net.relu(conv_bn(net, net.global_avg_pool(x), 256, 1))
        branches.append(net.upsample(mean, *x.shape[2:], mode="linear"))
        x = net.relu(conv_bn(net, net.concat(*branches), 256, 1))
        x = net.dropout(x, 0.5)
    x = net.relu(conv_bn(net, x, 256, 3))
    return net.conv(x, classes, 1)


def build(batch: int = 1, head: str = "deeplabv3", depth: int = 50, classes: int = 21, size: int = 520) -> LayerGraph:
    """Scores (N, classes, size, size)."""
    if head not in ("fcn", "deeplabv3"):
        raise ValueError(f"head {head!r}, expected 'fcn' or 'deeplabv3'")
    if depth not in REPEATS:
        raise ValueError(f"depth {depth}, expected one of {sorted(REPEATS)}")
    net = Network(f"{head}_resnet{depth}", batch=batch)
    x = backbone(net, net.input(3, size, size), depth)
    with net.scope("head"):
        x = fcn(net, x, classes) if head == "fcn" else deeplab(net, x, classes)
        x = net.upsample(x, size, size, mode="linear")
    return net.build(x)
