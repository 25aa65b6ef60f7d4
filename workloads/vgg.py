"""VGG-11, 13, 16 and 19 (Simonyan and Zisserman, ICLR 2015, arXiv 1409.1556, table 1), without batch norm."""

from accelsim.graph import LayerGraph, Network

VARIANTS = {"vgg11": {"depth": 11}, "vgg13": {"depth": 13}, "vgg16": {"depth": 16}, "vgg19": {"depth": 19}}

# convolutions per stage: table 1, columns A, B, D, E
STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def build(batch: int = 1, depth: int = 16, classes: int = 1000, size: int = 224) -> LayerGraph:
    """VGG of the given depth; 3x3 convolutions, pooling after every stage, three fully connected layers."""
    if depth not in STAGES:
        raise ValueError(f"depth {depth}, expected one of {sorted(STAGES)}")
    net = Network(f"vgg{depth}", batch=batch)
    x = net.input(3, size, size)
    for stage, (repeats, channels) in enumerate(zip(STAGES[depth], (64, 128, 256, 512, 512), strict=True), start=1):
        with net.scope(f"stage{stage}"):
            for _ in range(repeats):
                x = net.relu(net.conv(x, channels, 3, pad=1))
            x = net.max_pool(x, 2)
    x = net.flatten(x)
    x = net.relu(net.linear(x, 4096))
    x = net.relu(net.linear(x, 4096))
    return net.build(net.linear(x, classes))
