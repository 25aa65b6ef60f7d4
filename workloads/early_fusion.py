"""Early fusion of video frames (Karpathy et al., CVPR 2014, section 3.1) in ResNet-18 (arXiv 1512.03385), 400 classes.

The frames of a clip are stacked along the channels, so that the first convolution joins them all.
"""

from accelsim.graph import Handle, LayerGraph, Network

VARIANTS = {"early_fusion": {}}


def conv_bn(net: Network, x: Handle, channels: int, kernel: int, stride: int = 1) -> Handle:
    """Convolution without bias, batch norm."""
    return net.batch_norm(net.conv(x, channels, kernel, stride=stride, pad=kernel // 2, bias=False))


def basic(net: Network, x: Handle, channels: int, stride: int) -> Handle:
    """Two 3x3 convolutions and the shortcut."""
    y = net.relu(conv_bn(net, x, channels, 3, stride))
    y = conv_bn(net, y, channels, 3)
    if y.shape != x.shape:
        x = conv_bn(net, x, channels, 1, stride)
    return net.relu(net.add(y, x))


def build(batch: int = 1, frames: int = 8, classes: int = 400, size: int = 224) -> LayerGraph:
    """ResNet-18 whose input has 3 channels per frame."""
    if frames < 1:
        raise ValueError(f"frames {frames}, expected at least 1")
    net = Network("early_fusion", batch=batch)
    x = net.input(3 * frames, size, size)
    with net.scope("stem"):
        x = net.max_pool(net.relu(conv_bn(net, x, 64, 7, 2)), 3, stride=2, pad=1)
    for stage in range(1, 5):
        for unit in (1, 2):
            with net.scope(f"stage{stage}.{unit}"):
                x = basic(net, x, 32 * 2**stage, 2 if stage > 1 and unit == 1 else 1)
    with net.scope("head"):
        x = net.linear(net.flatten(net.global_avg_pool(x)), classes)
    return net.build(x)
