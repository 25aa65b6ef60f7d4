"""ConvNeXt-T, S, B, L and XL (Liu et al., CVPR 2022, arXiv 2201.03545, section 3): 7x7 depthwise, LayerNorm, GELU."""

from accelsim.graph import Handle, LayerGraph, Network

VARIANTS = {
    "convnext_tiny": {"variant": "tiny"},
    "convnext_small": {"variant": "small"},
    "convnext_base": {"variant": "base"},
    "convnext_large": {"variant": "large"},
    "convnext_xlarge": {"variant": "xlarge"},
}

# blocks per stage and channels: section 3.1
SIZES = {
    "tiny": ((3, 3, 9, 3), (96, 192, 384, 768)), "small": ((3, 3, 27, 3), (96, 192, 384, 768)),
    "base": ((3, 3, 27, 3), (128, 256, 512, 1024)), "large": ((3, 3, 27, 3), (192, 384, 768, 1536)),
    "xlarge": ((3, 3, 27, 3), (256, 512, 1024, 2048)),
}  # fmt: skip


def norm(net: Network, x: Handle) -> Handle:
    """LayerNorm over the channels of (N, C, H, W)."""
    return net.transpose(net.layer_norm(net.transpose(x, 0, 2, 3, 1)), 0, 3, 1, 2)


def block(net: Network, x: Handle) -> Handle:
    """Depthwise 7x7, LayerNorm, two linear layers with GELU between, layer scale, sum."""
    c = x.channels
    y = net.transpose(net.conv(x, c, 7, pad=3, groups=c), 0, 2, 3, 1)
    y = net.linear(net.gelu(net.linear(net.layer_norm(y), 4 * c)), c)
    y = net.mul(y, net.parameter(c, name="layer_scale"))
    return net.add(x, net.stochastic_depth(net.transpose(y, 0, 3, 1, 2), 0.1))


def build(batch: int = 1, variant: str = "tiny", classes: int = 1000, size: int = 224) -> LayerGraph:
    """ConvNeXt `tiny` to `xlarge`."""
    if variant not in SIZES:
        raise ValueError(f"variant {variant!r}, expected one of {list(SIZES)}")
    blocks, widths = SIZES[variant]
    net = Network(f"convnext_{variant}", batch=batch)
    with net.scope("stem"):
        x = norm(net, net.conv(net.input(3, size, size), widths[0], 4, stride=4))
    for stage, (count, channels) in enumerate(zip(blocks, widths, strict=True), start=1):
        if stage > 1:
            with net.scope(f"down{stage}"):
                x = net.conv(norm(net, x), channels, 2, stride=2)
        for number in range(1, count + 1):
            with net.scope(f"stage{stage}.{number}"):
                x = block(net, x)
    with net.scope("head"):
        x = net.flatten(norm(net, net.global_avg_pool(x)))
        x = net.linear(x, classes)
    return net.build(x)
