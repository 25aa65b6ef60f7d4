"""YOLO v1 (Redmon et al., CVPR 2016, arXiv 1506.02640, figure 3) and the authors' tiny version (yolov1-tiny.cfg).

The output (N, 1470) has darknet's order: 20 class probabilities of each of the 7x7 cells, the confidences of its two
boxes, then their coordinates (x and y inside the cell, square roots of width and height). `norm` puts batch norm in
place of the convolutions' biases, as `yolov1_tiny` has it. With `decode` the network also makes boxes (N, 98, 4)
of corners (y1, x1, y2, x2) relative to the image, scores (N, 20, 98) and the boxes that survive suppression.
"""

from accelsim.graph import Handle, LayerGraph, Network

VARIANTS = {"yolov1": {}, "yolov1_bn": {"norm": True}, "yolov1_tiny": {"tiny": True, "norm": True}}

# (channels, kernel, stride) of the convolutions, a 2x2 pooling between the groups: figure 3
FULL = [
    [(64, 7, 2)],
    [(192, 3, 1)],
    [(128, 1, 1), (256, 3, 1), (256, 1, 1), (512, 3, 1)],
    [*[(256, 1, 1), (512, 3, 1)] * 4, (512, 1, 1), (1024, 3, 1)],
    [*[(512, 1, 1), (1024, 3, 1)] * 2, (1024, 3, 1), (1024, 3, 2), (1024, 3, 1), (1024, 3, 1)],
]
TINY = [*[[(channels, 3, 1)] for channels in (16, 32, 64, 128, 256, 512)], [(1024, 3, 1), (256, 3, 1)]]

BOXES = 2  # per cell
STRIDE = 64  # pixels per cell


def features(net: Network, x: Handle, tiny: bool, norm: bool) -> Handle:
    """The convolutions, each with leaky ReLU, and the poolings between them."""
    for number, group in enumerate(TINY if tiny else FULL):
        if number:
            x = net.max_pool(x, 2)
        for channels, kernel, stride in group:
            x = net.conv(x, channels, kernel, stride=stride, pad=kernel // 2, bias=not norm)
            x = net.leaky_relu(net.batch_norm(x) if norm else x, 0.1)
    return x


def corners(net: Network, x: Handle, cells: int) -> Handle:
    """Coordinates (N, boxes x 4) to corners (N, boxes, 4): centre (offset + cell) / cells, sides squared."""
    count = cells * cells * BOXES
    x = net.reshape(x, x.shape[0], count, 4)
    grid = [[row, col] for row in range(cells) for col in range(cells) for _ in range(BOXES)]
    across, down, width, height = net.split(x, (1, 1, 1, 1), axis=2)
    offset = net.concat(down, across, axis=2)
    centre = net.scale(net.add(offset, net.constant([grid], name="grid")), 1 / cells)
    half = net.scale(net.unary(net.concat(height, width, axis=2), "square"), 0.5)
    return net.concat(net.binary("sub", centre, half), net.add(centre, half), axis=2)


def class_scores(net: Network, probabilities: Handle, confidences: Handle, cells: int, classes: int) -> Handle:
    """Class probability of the cell times confidence of the box, (N, classes, boxes)."""
    n, places = probabilities.shape[0], cells * cells
    each = net.transpose(net.reshape(probabilities, n, places, classes), 0, 2, 1)
    each = net.reshape(each, n, classes, places, 1)
    scores = net.mul(each, net.reshape(confidences, n, 1, places, BOXES))
    return net.reshape(scores, n, classes, places * BOXES)


def build(
    batch: int = 1, tiny: bool = False, norm: bool = False, decode: bool = False, keep: int = 10, classes: int = 20,
    size: int = 448,
) -> LayerGraph:  # fmt: skip
    """YOLO v1 or its tiny version; `keep` boxes at most survive per image and class."""
    if size < STRIDE or size % STRIDE:
        raise ValueError(f"size {size}, expected a multiple of {STRIDE}")
    if keep < 1 or classes < 1:
        raise ValueError(f"keep {keep} and classes {classes}, expected at least 1 of each")
    net = Network("yolov1_tiny" if tiny else "yolov1", batch=batch)
    x = features(net, net.input(3, size, size), tiny, norm)
    cells = x.shape[2]
    places = cells * cells
    x = net.flatten(x)
    if not tiny:
        x = net.dropout(net.leaky_relu(net.linear(x, 4096), 0.1), 0.5)
    x = net.linear(x, places * (classes + BOXES * 5))
    if not decode:
        return net.build(x)
    with net.scope("decode"):
        parts = net.split(x, (places * classes, places * BOXES, places * BOXES * 4))
        boxes = corners(net, parts[2], cells)
        scores = class_scores(net, parts[0], parts[1], cells, classes)
        kept = net.nms(boxes, scores, keep, threshold=0.5, least=0.2)
    return net.build(boxes, scores, kept)
