"""Vision Transformer (Dosovitskiy et al., ICLR 2021, arXiv 2010.11929, table 1): ViT-B and ViT-L, patches of 16 or 32.

The classifier is the single layer of fine-tuning; layer norms have eps 1e-6, GELU is the exact one.
"""

from accelsim.graph import Handle, LayerGraph, Network

VARIANTS = {
    "vit_b16": {"model": "base", "patch": 16},
    "vit_b32": {"model": "base", "patch": 32},
    "vit_l16": {"model": "large", "patch": 16},
    "vit_l32": {"model": "large", "patch": 32},
}

# layers, width D, heads: table 1; the MLP is four times as wide
MODELS = {"base": (12, 768, 12), "large": (24, 1024, 16)}


def embed(net: Network, x: Handle, patch: int, width: int) -> Handle:
    """(N, 3, H, W) to tokens (N, 1 + patches, width): one per patch, a class token in front, positions added."""
    x = net.conv(x, width, patch, stride=patch)
    n, _, rows, cols = x.shape
    x = net.transpose(net.reshape(x, n, width, rows * cols), 0, 2, 1)
    token = net.expand(net.parameter(1, 1, width, name="class_token"), n, 1, width)
    x = net.concat(token, x, axis=1)
    return net.add(x, net.parameter(1, *x.shape[1:], name="positions"))


def encoder(net: Network, x: Handle, heads: int) -> Handle:
    """Pre-norm attention and MLP, each with its shortcut."""
    x = net.add(net.dropout(net.attention(net.layer_norm(x, eps=1e-6), heads), 0.1), x)
    y = net.gelu(net.linear(net.layer_norm(x, eps=1e-6), 4 * x.shape[-1], name="mlp1"))
    return net.add(net.dropout(net.linear(net.dropout(y, 0.1), x.shape[-1], name="mlp2"), 0.1), x)


def build(batch: int = 1, model: str = "base", patch: int = 16, classes: int = 1000, size: int = 224) -> LayerGraph:
    """ViT-B or ViT-L."""
    if model not in MODELS:
        raise ValueError(f"model {model!r}, expected one of {sorted(MODELS)}")
    if patch < 1 or size < patch or size % patch:
        raise ValueError(f"size {size} and patch {patch}, expected a size that whole patches fill")
    layers, width, heads = MODELS[model]
    net = Network(f"vit_{model[0]}{patch}", batch=batch)
    x = net.input(3, size, size)
    with net.scope("embed"):
        x = net.dropout(embed(net, x, patch, width), 0.1)
    for layer in range(1, layers + 1):
        with net.scope(f"encoder{layer}"):
            x = encoder(net, x, heads)
    with net.scope("head"):
        x = net.slice(net.layer_norm(x, eps=1e-6), 1, 0, 1, squeeze=True)
        x = net.linear(x, classes)
    return net.build(x)
