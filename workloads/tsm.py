"""TSM, the temporal shift module in ResNet-50 (Lin et al., ICCV 2019, arXiv 1811.08383, section 4), Kinetics-400.

The batch counts clips: the input has batch x frames images. In front of every residual branch an eighth of the channels
comes from the frame after, an eighth from the frame before; the frames' logits are averaged.
"""

from accelsim.graph import Handle, LayerGraph, Network

VARIANTS = {"tsm_resnet50": {}, "tsm_resnet50_16f": {"frames": 16}}

REPEATS = (3, 4, 6, 3)


def conv_bn(net: Network, x: Handle, channels: int, kernel: int, stride: int = 1) -> Handle:
    """Convolution without bias, batch norm."""
    return net.batch_norm(net.conv(x, channels, kernel, stride=stride, pad=kernel // 2, bias=False))


def bottleneck(net: Network, x: Handle, channels: int, stride: int, frames: int) -> Handle:
    """Temporal shift, 1x1, 3x3, 1x1 with four times the channels, and the shortcut, which is not shifted."""
    y = net.relu(conv_bn(net, net.temporal_shift(x, frames), channels, 1))
    y = net.relu(conv_bn(net, y, channels, 3, stride))
    y = conv_bn(net, y, 4 * channels, 1)
    if y.shape != x.shape:
        x = conv_bn(net, x, y.channels, 1, stride)
    return net.relu(net.add(y, x))


def build(batch: int = 1, frames: int = 8, classes: int = 400, size: int = 224) -> LayerGraph:
    """TSM ResNet-50 on clips of `frames` frames; logits (clips, classes)."""
    if frames < 1:
        raise ValueError(f"frames {frames}, expected at least 1")
    net = Network("tsm_resnet50", batch=batch)
    x = net.input(batch * frames, 3, size, size, batched=False)
    with net.scope("stem"):
        x = net.max_pool(net.relu(conv_bn(net, x, 64, 7, 2)), 3, stride=2, pad=1)
    for stage, repeats in enumerate(REPEATS, start=1):
        for unit in range(1, repeats + 1):
            with net.scope(f"stage{stage}.{unit}"):
                x = bottleneck(net, x, 32 * 2**stage, 2 if stage > 1 and unit == 1 else 1, frames)
    with net.scope("head"):
        x = net.linear(net.dropout(net.flatten(net.global_avg_pool(x))), classes)
        x = net.reduce(net.reshape(x, batch, frames, classes), "mean", (1,), keepdims=False)
    return net.build(x)
