"""Deformable ResNet-101 (Dai et al., ICCV 2017, arXiv 1703.06211, sections 3 and 4.1): classifier and four task heads.

res5 keeps the resolution of res4 (output stride 16) with dilation 2. `deformable` names the units whose 3x3 convolution
is deformable, with offsets from a 3x3 convolution of 18 outputs: the last one, two or all three of res5, and the last
three of res4.

Heads: `classify`; `deeplab` (arXiv 1606.00915): a 1x1 classifier, upsampled by 16; `rpn`: class-aware region proposals
(arXiv 1506.01497 with one class more than objects in place of object or not); `faster_rcnn` (arXiv 1506.01497): RoI
pooling and two fully connected layers; `rfcn` (arXiv 1605.06409): position-sensitive score maps. The last two read
`regions` boxes (image, x1, y1, x2, y2) from an input.
"""

from accelsim.graph import Handle, LayerGraph, Network

VARIANTS = {
    "deform_resnet101": {},
    "deform_resnet101_res5c": {"deformable": "res5c"},
    "deform_resnet101_res5bc": {"deformable": "res5bc"},
    "deform_resnet101_res5abc": {"deformable": "res5abc"},
    "deform_resnet101_res4": {"deformable": "res5abc+res4b20-22"},
    "deeplab_resnet101": {"deformable": "res5abc", "head": "deeplab"},
    "rpn_resnet101": {"deformable": "res5abc", "head": "rpn"},
    "faster_rcnn_resnet101": {"deformable": "res5abc", "head": "faster_rcnn"},
    "rfcn_resnet101": {"deformable": "res5abc", "head": "rfcn"},
}

REPEATS = (3, 4, 23, 3)
HEADS = ("classify", "deeplab", "rpn", "faster_rcnn", "rfcn")
STRIDE = 16  # of the last stage
ANCHORS = 9
BINS = 7

# (stage, unit) of the deformable units
DEFORMABLE = {
    "none": [],
    "res5c": [(4, 3)],
    "res5bc": [(4, 2), (4, 3)],
    "res5abc": [(4, 1), (4, 2), (4, 3)],
    "res5abc+res4b20-22": [(3, 21), (3, 22), (3, 23), (4, 1), (4, 2), (4, 3)],
}


def conv_bn(net: Network, x: Handle, channels: int, kernel: int, stride: int = 1, dilation: int = 1) -> Handle:
    """Convolution without bias, batch norm; the padding keeps the size."""
    pad = dilation * (kernel // 2)
    return net.batch_norm(net.conv(x, channels, kernel, stride=stride, pad=pad, dilation=dilation, bias=False))


def deform_bn(net: Network, x: Handle, channels: int, dilation: int) -> Handle:
    """Deformable 3x3 convolution at offsets (dy, dx) of its nine taps, batch norm."""
    offsets = net.conv(x, 18, 3, pad=1, name="offset")
    return net.batch_norm(net.deform_conv(x, offsets, channels, 3, pad=dilation, dilation=dilation, bias=False))


def bottleneck(net: Network, x: Handle, channels: int, stride: int, dilation: int, deformable: bool) -> Handle:
    """1x1, 3x3 (deformable or not), 1x1 with four times the channels, and the shortcut."""
    y = net.relu(conv_bn(net, x, channels, 1))
    y = deform_bn(net, y, channels, dilation) if deformable else conv_bn(net, y, channels, 3, stride, dilation)
    y = conv_bn(net, net.relu(y), 4 * channels, 1)
    if y.shape != x.shape:
        x = conv_bn(net, x, y.channels, 1, stride)
    return net.relu(net.add(y, x))


def backbone(net: Network, x: Handle, deformable: str) -> Handle:
    """ResNet-101 to conv5, 2048 channels at a sixteenth of the size."""
    with net.scope("stem"):
        x = net.max_pool(net.relu(conv_bn(net, x, 64, 7, 2)), 3, stride=2, pad=1)
    for stage, repeats in enumerate(REPEATS, start=1):
        for unit in range(1, repeats + 1):
            stride = 2 if stage in (2, 3) and unit == 1 else 1
            with net.scope(f"stage{stage}.{unit}"):
                dilation = 2 if stage == 4 else 1
                special = (stage, unit) in DEFORMABLE[deformable]
                x = bottleneck(net, x, 32 * 2**stage, stride, dilation, special)
    return x


def boxes(count: int, images: int, size: int) -> list[list[int]]:
    """`count` regions (image, x1, y1, x2, y2) inside images of `size x size`, of many sizes and places."""
    found = []
    for i in range(count):
        width, height = max(1, size * (2 + i % 5) // 8), max(1, size * (2 + i % 3) // 6)
        left, top = (37 * i) % max(1, size - width), (53 * i) % max(1, size - height)
        found.append([i % images, left, top, min(left + width, size - 1), min(top + height, size - 1)])
    return found


def proposals(net: Network, x: Handle, objects: int) -> list[Handle]:
    """Class-aware region proposals: logits of background and every class, and four box deltas, per anchor."""
    x = net.relu(net.conv(x, 512, 3, pad=1))
    return [net.conv(x, ANCHORS * (objects + 1), 1, name="classes"), net.conv(x, ANCHORS * 4, 1, name="boxes")]


def faster_rcnn(net: Network, x: Handle, regions: Handle, objects: int) -> list[Handle]:
    """256 channels, 7x7 RoI pooling, two fully connected layers; class probabilities and boxes per class."""
    x = net.roi_pool(net.relu(net.conv(x, 256, 1)), regions, BINS, 1 / STRIDE)
    x = net.relu(net.linear(net.flatten(x), 1024))
    x = net.relu(net.linear(x, 1024))
    logits = net.linear(x, objects + 1, name="classes")
    return [net.softmax(logits), net.linear(x, 4 * (objects + 1), name="boxes")]


def rfcn(net: Network, x: Handle, regions: Handle, objects: int) -> list[Handle]:
    """1024 channels, 7x7 position-sensitive maps of classes and of one box; every region averages its bins."""
    x = net.relu(net.conv(x, 1024, 1))
    found = []
    for name, channels in (("classes", objects + 1), ("boxes", 4)):
        maps = net.conv(x, BINS * BINS * channels, 1, name=name)
        votes = net.ps_roi_pool(maps, regions, BINS, 1 / STRIDE)
        found.append(net.flatten(net.global_avg_pool(votes)))
    return [net.softmax(found[0]), found[1]]


def build(
    batch: int = 1, deformable: str = "none", head: str = "classify", regions: int = 300, objects: int = 20,
    classes: int = 1000, size: int = 224,
) -> LayerGraph:  # fmt: skip
    """Deformable ResNet-101; `objects` are the classes of the heads without background, `classes` the classifier's."""
    if deformable not in DEFORMABLE:
        raise ValueError(f"deformable {deformable!r}, expected one of {list(DEFORMABLE)}")
    if head not in HEADS:
        raise ValueError(f"head {head!r}, expected one of {list(HEADS)}")
    if regions < 1 or objects < 1:
        raise ValueError(f"regions {regions} and objects {objects}, expected at least 1 of each")
    net = Network(f"deform_resnet101_{head}", batch=batch)
    image = net.input(3, size, size)
    if head in ("faster_rcnn", "rfcn"):
        rois = net.input(regions, 5, batched=False, name="regions")
        net.set_values(rois, value=boxes(regions, batch, size))
    x = backbone(net, image, deformable)
    with net.scope("head"):
        if head == "classify":
            outputs = [net.linear(net.flatten(net.global_avg_pool(x)), classes)]
        elif head == "deeplab":
            x = net.conv(x, objects + 1, 1)
            outputs = [net.upsample(x, STRIDE * x.shape[2], STRIDE * x.shape[3], mode="linear")]
        elif head == "rpn":
            outputs = proposals(net, x, objects)
        elif head == "faster_rcnn":
            outputs = faster_rcnn(net, x, rois, objects)
        else:
            outputs = rfcn(net, x, rois, objects)
    return net.build(*outputs)
