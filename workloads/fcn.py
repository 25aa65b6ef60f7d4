"""FCN-32s, FCN-16s and FCN-8s on VGG-16 (Long et al., CVPR 2015, arXiv 1411.4038, section 4), as the authors' code.

The first convolution pads by 100 so that small images survive the 7x7 of the classifier; poolings round up; the score
maps are upsampled by transposed convolutions without bias and cropped to the map they are added to, or to the image.
"""

from accelsim.graph import Handle, LayerGraph, Network

VARIANTS = {"fcn32s": {"stride": 32}, "fcn16s": {"stride": 16}, "fcn8s": {"stride": 8}}

# convolutions and channels per stage of VGG-16
STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))

# crop offset of pool4's scores, of pool3's and of the result
CROPS = {32: (0, 0, 19), 16: (5, 0, 27), 8: (5, 9, 31)}


def crop(net: Network, x: Handle, offset: int, rows: int, cols: int) -> Handle:
    """`rows x cols` positions from `offset` on."""
    return net.slice(net.slice(x, 2, offset, offset + rows), 3, offset, offset + cols)


def fuse(net: Network, x: Handle, skipped: Handle, offset: int) -> Handle:
    """Scores of a pooling layer, cropped, added to the coarser ones upsampled by 2."""
    x = net.conv_transpose(x, x.channels, 4, stride=2, bias=False)
    scores = crop(net, net.conv(skipped, x.channels, 1), offset, *x.shape[2:])
    return net.add(x, scores)


def build(batch: int = 1, stride: int = 32, classes: int = 21, size: int = 500) -> LayerGraph:
    """FCN of the given output stride; scores (N, classes, size, size)."""
    if stride not in CROPS:
        raise ValueError(f"stride {stride}, expected one of {sorted(CROPS)}")
    net = Network(f"fcn{stride}s", batch=batch)
    x = net.input(3, size, size)
    pooled = []
    for stage, (repeats, channels) in enumerate(STAGES, start=1):
        with net.scope(f"stage{stage}"):
            for repeat in range(repeats):
                x = net.relu(net.conv(x, channels, 3, pad=100 if stage == 1 and repeat == 0 else 1))
            x = net.max_pool(x, 2, ceil_mode=True)
            pooled.append(x)
    with net.scope("classifier"):
        x = net.dropout(net.relu(net.conv(x, 4096, 7)))
        x = net.dropout(net.relu(net.conv(x, 4096, 1)))
        x = net.conv(x, classes, 1)
    at4, at3, at_image = CROPS[stride]
    if stride <= 16:
        with net.scope("pool4"):
            x = fuse(net, x, pooled[3], at4)
    if stride == 8:
        with net.scope("pool3"):
            x = fuse(net, x, pooled[2], at3)
    with net.scope("upscore"):
        x = net.conv_transpose(x, classes, 2 * stride, stride=stride, bias=False)
        x = crop(net, x, at_image, size, size)
    return net.build(x)
