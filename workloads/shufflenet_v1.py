"""ShuffleNet v1 (Zhang et al., CVPR 2018, arXiv 1707.01083, tables 1 to 5), groups 1 to 8, any width, with SE.

`megvii` takes the stems of the authors' code and a classifier without bias. Where a width does not divide into the
groups, as the published 0.5x with 4 groups, the nearest widths that do are built, and the network's name says so.
`shallow` halves the units of every stage (table 6's shallower nets; the number of units is assumed, so its name says
approximate). `se` squeezes and excites the output of a whole unit, after its sum or concatenation and ReLU.
"""

from accelsim.graph import Handle, LayerGraph, Network

VARIANTS = {
    "shufflenet_v1": {},
    "shufflenet_v1_g1": {"groups": 1},
    "shufflenet_v1_g2": {"groups": 2},
    "shufflenet_v1_g4": {"groups": 4},
    "shufflenet_v1_g8": {"groups": 8},
    "shufflenet_v1_2x": {"width": 2.0},
    "shufflenet_v1_2x_se": {"width": 2.0, "se": True},
    "shufflenet_v1_no_shuffle": {"shuffle": False},
    "shufflenet_v1_05x_g4": {"width": 0.5, "groups": 4},
    "shufflenet_v1_05x_shallow": {"width": 0.5, "shallow": True},
}

# output channels of stage 2 by groups: table 1; stages 3 and 4 double them
WIDTHS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
UNITS = (4, 8, 4)


def stem_channels(width: float, groups: int, megvii: bool) -> int:
    """24 times the width, or the irregular stems of the authors' code."""
    if not megvii:
        return int(24 * width)
    if width < 1:
        return 12 if groups == 3 else 16
    return 48 if width >= 2 else 24


def divisible(channels: float, step: int) -> int:
    """The nearest multiple of `step`."""
    return max(step, int(channels / step + 0.5) * step)


def unit(net: Network, x: Handle, out: int, stride: int, groups: int, first: bool, shuffle: bool, se: bool) -> Handle:
    """Grouped 1x1, shuffle, depthwise 3x3, grouped 1x1; added to the input, or beside its average if strided."""
    inside, branch = out // 4, out - x.channels if stride == 2 else out
    y = net.conv(x, inside, 1, groups=1 if first else groups, bias=False)
    y = net.relu(net.batch_norm(y))
    if shuffle and groups > 1:
        y = net.channel_shuffle(y, groups)
    y = net.batch_norm(net.conv(y, inside, 3, stride=stride, pad=1, groups=inside, bias=False))
    y = net.batch_norm(net.conv(y, branch, 1, groups=groups, bias=False))
    y = net.concat(net.avg_pool(x, 3, stride=2, pad=1), y) if stride == 2 else net.add(x, y)
    y = net.relu(y)
    return net.squeeze_excite(y, max(1, out // 16)) if se else y


def build(
    batch: int = 1,
    groups: int = 3,
    width: float = 1.0,
    shuffle: bool = True,
    se: bool = False,
    megvii: bool = False,
    shallow: bool = False,
    classes: int = 1000,
    size: int = 224,
) -> LayerGraph:
    """ShuffleNet v1 of `width` times the channels of table 1."""
    if groups not in WIDTHS:
        raise ValueError(f"groups {groups}, expected one of {sorted(WIDTHS)}")
    if width <= 0:
        raise ValueError(f"width {width}, expected a number above 0")
    # quarters of the outputs are divided into the groups, and so is what stage 2 adds to the stem
    wanted = [WIDTHS[groups] * width * 2**stage for stage in range(3)]
    outs = [divisible(out, 4 * groups) for out in wanted]
    published = stem_channels(width, groups, megvii)
    stem = divisible(published, groups)
    name = f"shufflenet_v1-{width:g}x-g{groups}"
    if outs != wanted or stem != published:
        name += "-nearest"
    if shallow:
        name += "-shallow-approximate"
    net = Network(name, batch=batch)
    x = net.input(3, size, size)
    with net.scope("stem"):
        x = net.conv(x, stem, 3, stride=2, pad=1, bias=False)
        x = net.max_pool(net.relu(net.batch_norm(x)), 3, stride=2, pad=1)
    for stage, (out, units) in enumerate(zip(outs, UNITS, strict=True)):
        for number in range(units // 2 if shallow else units):
            with net.scope(f"stage{stage + 2}.{number + 1}"):
                first = stage == 0 and number == 0
                x = unit(net, x, out, 2 if number == 0 else 1, groups, first, shuffle, se)
    with net.scope("head"):
        x = net.linear(net.flatten(net.global_avg_pool(x)), classes, bias=not megvii)
    return net.build(x)
