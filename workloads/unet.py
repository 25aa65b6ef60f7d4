"""U-Net (Ronneberger et al., MICCAI 2015, arXiv 1505.04597, figure 1): unpadded, or with padding that keeps the size.

Unpadded convolutions shrink the maps, so that the contracting path's are cropped at the centre before they are joined.
Convolutions have biases and no batch norm, as in the paper.
"""

from accelsim.graph import Handle, LayerGraph, Network

VARIANTS = {"unet": {}, "unet_same": {"padded": True, "channels": 3, "size": 256}}

LEVELS = 4


def double_conv(net: Network, x: Handle, channels: int, pad: int) -> Handle:
    """Two 3x3 convolutions, each with ReLU."""
    x = net.relu(net.conv(x, channels, 3, pad=pad))
    return net.relu(net.conv(x, channels, 3, pad=pad))


def centre_crop(net: Network, x: Handle, rows: int, cols: int) -> Handle:
    """The `rows x cols` positions in the middle."""
    for axis, size in ((2, rows), (3, cols)):
        start = (x.shape[axis] - size) // 2
        if x.shape[axis] != size:
            x = net.slice(x, axis, start, start + size)
    return x


def build(
    batch: int = 1, padded: bool = False, width: int = 64, channels: int = 1, classes: int = 2, size: int = 572
) -> LayerGraph:
    """U-Net; `width` filters in the first level, twice as many in each one below."""
    if padded and (size < 1 or size % 2**LEVELS):
        raise ValueError(f"size {size}, expected a multiple of {2**LEVELS}")
    if not padded and (size < 188 or (size - 188) % 2**LEVELS):
        raise ValueError(f"size {size}, expected 188 plus a multiple of {2**LEVELS}: all maps are then even")
    net = Network("unet_same" if padded else "unet", batch=batch)
    x = net.input(channels, size, size)
    pad, skipped = int(padded), []
    for level in range(LEVELS):
        with net.scope(f"down{level + 1}"):
            x = double_conv(net, x, width * 2**level, pad)
            skipped.append(x)
            x = net.max_pool(x, 2)
    with net.scope("bottom"):
        x = double_conv(net, x, width * 2**LEVELS, pad)
    for level in reversed(range(LEVELS)):
        with net.scope(f"up{level + 1}"):
            x = net.conv_transpose(x, width * 2**level, 2, stride=2)
            x = net.concat(centre_crop(net, skipped[level], *x.shape[2:]), x)
            x = double_conv(net, x, width * 2**level, pad)
    with net.scope("head"):
        x = net.conv(x, classes, 1)
    return net.build(x)
