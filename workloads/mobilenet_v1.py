"""MobileNetV1 (Howard et al., 2017, arXiv 1704.04861, table 1): depthwise separable convolutions, any width."""

from accelsim.graph import Handle, LayerGraph, Network

VARIANTS = {
    "mobilenet_v1": {},
    "mobilenet_v1_075": {"width": 0.75},
    "mobilenet_v1_050": {"width": 0.5},
    "mobilenet_v1_025": {"width": 0.25},
}

# output channels and stride of the depthwise convolution: table 1
BLOCKS = [
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1),
    (1024, 2), (1024, 1),
]  # fmt: skip


def conv_bn(net: Network, x: Handle, channels: int, kernel: int, stride: int = 1, groups: int = 1) -> Handle:
    """Convolution without bias, batch norm, ReLU."""
    x = net.conv(x, channels, kernel, stride=stride, pad=kernel // 2, groups=groups, bias=False)
    return net.relu(net.batch_norm(x))


def build(batch: int = 1, width: float = 1.0, classes: int = 1000, size: int = 224) -> LayerGraph:
    """MobileNetV1 with `width` times the channels."""
    if width <= 0:
        raise ValueError(f"width {width}, expected a number above 0")
    net = Network("mobilenet_v1", batch=batch)
    with net.scope("stem"):
        x = conv_bn(net, net.input(3, size, size), int(32 * width), 3, 2)
    for number, (channels, stride) in enumerate(BLOCKS, start=1):
        with net.scope(f"block{number}"):
            x = conv_bn(net, x, x.channels, 3, stride, groups=x.channels)
            x = conv_bn(net, x, int(channels * width), 1)
    with net.scope("head"):
        x = net.linear(net.dropout(net.flatten(net.global_avg_pool(x)), 0.001), classes)
    return net.build(x)
