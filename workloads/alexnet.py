"""AlexNet: the one-tower form of torchvision (Krizhevsky, arXiv 1404.5997) or the paper's (NIPS 2012, as in Caffe).

Local response normalisation of the 2012 form has no parameters and no MACs; it is left out here, as in later practice.
"""

from accelsim.graph import LayerGraph, Network

VARIANTS = {"alexnet": {}, "alexnet_2012": {"form": "2012"}, "alexnet_2012_ungrouped": {"form": "2012", "groups": 1}}

# channels, kernel, stride, pad, grouped, pooled after
FORMS = {
    "torchvision": [
        (64, 11, 4, 2, False, True),
        (192, 5, 1, 2, False, True),
        (384, 3, 1, 1, False, False),
        (256, 3, 1, 1, False, False),
        (256, 3, 1, 1, False, True),
    ],
    "2012": [
        (96, 11, 4, 0, False, True),
        (256, 5, 1, 2, True, True),
        (384, 3, 1, 1, False, False),
        (384, 3, 1, 1, True, False),
        (256, 3, 1, 1, True, True),
    ],
}


def build(batch: int = 1, form: str = "torchvision", groups: int = 2, classes: int = 1000) -> LayerGraph:
    """AlexNet; `form` is `torchvision` (224 x 224) or `2012` (227 x 227, two groups where the paper has two towers)."""
    if form not in FORMS:
        raise ValueError(f"form {form!r}, expected one of {sorted(FORMS)}")
    net = Network("alexnet", batch=batch)
    size = 224 if form == "torchvision" else 227
    x = net.input(3, size, size)
    for channels, kernel, stride, pad, grouped, pooled in FORMS[form]:
        x = net.relu(net.conv(x, channels, kernel, stride=stride, pad=pad, groups=groups if grouped else 1))
        if pooled:
            x = net.max_pool(x, 3, stride=2)
    x = net.flatten(x)
    x = net.relu(net.linear(x, 4096))
    x = net.relu(net.linear(x, 4096))
    return net.build(net.linear(x, classes))
