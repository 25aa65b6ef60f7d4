"""Layers that only rearrange: views that move nothing, and moves with real traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal, get_args

from accelsim.errors import InputError
from accelsim.layers.base import Layer, Shape, axes_of, broadcast, one, positive
from accelsim.layers.work import Gather, Move, WorkItem

PadMode = Literal["constant", "reflect", "edge", "wrap"]


class View(Layer):
    """The same words in the same order: nothing moves."""

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """Nothing."""
        return ()


class Rearrange(Layer):
    """Words picked from the inputs and put elsewhere; `Move` reads what is picked and writes the output."""

    def read_words(self, inputs: Sequence[Shape]) -> tuple[int, ...]:
        """Words read of each input: all of it, unless the layer picks a part."""
        return tuple(prod(shape) for shape in inputs)

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `Move`."""
        return (Move(self.op, self.read_words(inputs), prod(self.output_shape(inputs))),)


@dataclass(frozen=True)
class Parameter(Layer):
    """A trained tensor, or with `trained` false a constant one, as a value of the graph: class tokens, position
    embeddings, layer scale. It lies in DRAM; who reads it pays."""

    shape: tuple[int, ...]
    trained: bool = True
    op = "parameter"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """`shape`."""
        if inputs:
            raise InputError(f"parameter takes no inputs, given {len(inputs)}")
        return self.shape

    def weight_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """`value`, if trained."""
        return {"value": self.shape} if self.trained else {}

    def buffer_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """`value`, if not trained."""
        return {} if self.trained else {"value": self.shape}

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """Nothing."""
        return ()


@dataclass(frozen=True)
class Flatten(View):
    """Dims before `axis` and from `axis` on joined: (N, ...) to (N, rest) by default."""

    axis: int = 1
    op = "flatten"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(product before, product from the axis on)."""
        shape = one(self, inputs)
        if not 0 <= self.axis <= len(shape):
            raise InputError(f"flatten: axis {self.axis}, expected 0 to {len(shape)}")
        return prod(shape[: self.axis]), prod(shape[self.axis :])


@dataclass(frozen=True)
class Reshape(View):
    """The same words as another shape; at most one size is -1 and follows from the others. Squeeze and unsqueeze
    too."""

    shape: tuple[int, ...]
    op = "reshape"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """`shape` with -1 worked out."""
        words = prod(one(self, inputs))
        known = prod(size for size in self.shape if size != -1)
        free = self.shape.count(-1)
        if free > 1 or any(size < 1 and size != -1 for size in self.shape):
            raise InputError(f"reshape: shape {self.shape}, expected sizes of at least 1 and at most one -1")
        if (free and words % known) or (not free and words != known):
            raise InputError(f"reshape: {inputs[0]} has {words} words, which do not make {self.shape}")
        return tuple(words // known if size == -1 else size for size in self.shape)


@dataclass(frozen=True)
class Dropout(View):
    """Dropout (Srivastava et al., JMLR 2014): the identity at inference."""

    rate: float = 0.5
    op = "dropout"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The shape of the input."""
        return one(self, inputs)


@dataclass(frozen=True)
class StochasticDepth(View):
    """Stochastic depth (Huang et al., arXiv 1603.09382): the identity at inference."""

    rate: float = 0.2
    op = "stochastic_depth"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The shape of the input."""
        return one(self, inputs)


@dataclass(frozen=True)
class Transpose(Rearrange):
    """Dims in the order `perm`; a view if only dims of size 1 change places."""

    perm: tuple[int, ...]
    op = "transpose"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The sizes in their new order."""
        shape = one(self, inputs)
        if sorted(self.perm) != list(range(len(shape))):
            raise InputError(f"transpose: perm {self.perm}, expected the numbers 0 to {len(shape) - 1} in some order")
        return tuple(shape[i] for i in self.perm)

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `Move`, or nothing."""
        shape = one(self, inputs)
        wide = [i for i in self.perm if shape[i] > 1]
        return () if wide == sorted(wide) else super().lower(inputs)


@dataclass(frozen=True)
class Concat(Rearrange):
    """Tensors side by side along `axis`: every word is read and written."""

    op = "concat"
    axis: int = 1

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The common shape with the sizes along `axis` added."""
        if not inputs:
            raise InputError(f"concat takes at least one input, given {len(inputs)}")
        first = inputs[0]
        if not 0 <= self.axis < len(first):
            raise InputError(f"concat: axis {self.axis}, expected 0 to {len(first) - 1}")
        for shape in inputs:
            if [*shape[: self.axis], *shape[self.axis + 1 :]] != [*first[: self.axis], *first[self.axis + 1 :]]:
                raise InputError(f"concat along {self.axis}: shapes {first} and {shape} do not match")
        total = sum(shape[self.axis] for shape in inputs)
        return (*first[: self.axis], total, *first[self.axis + 1 :])


@dataclass(frozen=True)
class Slice(Rearrange):
    """Indices `start` to `stop` along `axis`, every `step`: the selected words are read and written.

    A negative step goes backwards from `start` to just above `stop` (-1: to the first word).
    """

    op = "slice"
    axis: int
    start: int
    stop: int
    squeeze: bool = False
    step: int = 1

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The input's shape with the picked number along `axis` (dropped if `squeeze` and 1)."""
        shape = one(self, inputs)
        size = len(range(self.start, self.stop, self.step)) if self.step else 0
        inside = 0 <= self.axis < len(shape) and 0 <= self.start < shape[self.axis]
        if not inside or not -1 <= self.stop <= shape[self.axis] or size < 1:
            raise InputError(f"slice {self.start}:{self.stop} along {self.axis} is outside shape {shape}")
        if self.squeeze and size == 1:
            return (*shape[: self.axis], *shape[self.axis + 1 :])
        return (*shape[: self.axis], size, *shape[self.axis + 1 :])

    def read_words(self, inputs: Sequence[Shape]) -> tuple[int, ...]:
        """The picked words."""
        return (prod(self.output_shape(inputs)),)


@dataclass(frozen=True)
class Take(Rearrange):
    """The given indices along `axis`, shaped `index_shape` in its place (an embedding's rows, a permutation)."""

    axis: int
    indices: tuple[int, ...]
    index_shape: tuple[int, ...]
    op = "gather"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The input's shape with `index_shape` instead of the axis."""
        shape = one(self, inputs)
        axis = axes_of(self, (self.axis,), len(shape))[0]
        if prod(self.index_shape) != len(self.indices):
            raise InputError(f"gather: {len(self.indices)} indices do not make shape {self.index_shape}")
        wrong = [i for i in self.indices if not -shape[axis] <= i < shape[axis]]
        if wrong:
            raise InputError(f"gather: index {wrong[0]}, expected -{shape[axis]} to {shape[axis] - 1}")
        return (*shape[:axis], *self.index_shape, *shape[axis + 1 :])

    def read_words(self, inputs: Sequence[Shape]) -> tuple[int, ...]:
        """The picked words, each once."""
        size = inputs[0][self.axis]
        return (prod(inputs[0]) // size * len({i % size for i in self.indices}),)


@dataclass(frozen=True)
class TakeAt(Layer):
    """Like `Take`, with the indices as a second input: data-dependent reads, one per output word."""

    axis: int = 0
    op = "gather"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The first input's shape with the second's instead of the axis."""
        if len(inputs) != 2:
            raise InputError(f"gather takes a tensor and indices, given {len(inputs)} inputs")
        shape, index = inputs
        axis = axes_of(self, (self.axis,), len(shape))[0]
        return (*shape[:axis], *index, *shape[axis + 1 :])

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `Gather`: every output word is one read."""
        out = prod(self.output_shape(inputs))
        return (Gather(self.op, out, prod(inputs[1]), out, out, out, out, rows=out),)


@dataclass(frozen=True)
class Pad(Rearrange):
    """Borders of (befores..., afters...) words per dim: `constant`, `reflect`, `edge` or `wrap`; negative ones crop."""

    pads: tuple[int, ...]
    mode: PadMode = "constant"
    value: float = 0.0
    op = "pad"

    def __post_init__(self) -> None:
        if self.mode not in get_args(PadMode):
            raise InputError(f"pad: mode {self.mode!r}, expected constant, reflect, edge or wrap")

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The sizes with their borders."""
        shape = one(self, inputs)
        if len(self.pads) != 2 * len(shape):
            raise InputError(f"pad: {len(self.pads)} numbers, expected {2 * len(shape)} (befores, then afters)")
        befores, afters = self.pads[: len(shape)], self.pads[len(shape) :]
        found = tuple(a + size + b for a, size, b in zip(befores, shape, afters, strict=True))
        if any(size < 1 for size in found):
            raise InputError(f"pad: {self.pads} leaves nothing of shape {shape}")
        return found

    def read_words(self, inputs: Sequence[Shape]) -> tuple[int, ...]:
        """The words that are kept."""
        shape = one(self, inputs)
        rank = len(shape)
        kept = [s + min(0, a) + min(0, b) for s, a, b in zip(shape, self.pads[:rank], self.pads[rank:], strict=True)]
        return (prod(kept),)


@dataclass(frozen=True)
class Expand(Rearrange):
    """Dims of size 1 repeated to the broadcast shape of the input and `shape`."""

    shape: tuple[int, ...]
    op = "expand"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The broadcast shape."""
        return broadcast(self, [one(self, inputs), self.shape])


@dataclass(frozen=True)
class Tile(Rearrange):
    """The tensor repeated `repeats[i]` times along every dim."""

    repeats: tuple[int, ...]
    op = "tile"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Sizes times repeats."""
        shape = one(self, inputs)
        if len(self.repeats) != len(shape) or min(self.repeats, default=1) < 1:
            raise InputError(f"tile: repeats {self.repeats}, expected {len(shape)} numbers of at least 1")
        return tuple(a * b for a, b in zip(shape, self.repeats, strict=True))


@dataclass(frozen=True)
class DepthToSpace(Rearrange):
    """Channels to blocks of `block x block` positions; `DCR` order, or `CRD` (pixel shuffle, arXiv 1609.05158)."""

    block: int
    mode: str = "DCR"
    op = "depth_to_space"

    def __post_init__(self) -> None:
        positive(self, block=self.block)
        if self.mode not in ("DCR", "CRD"):
            raise InputError(f"depth_to_space: mode {self.mode!r}, expected DCR or CRD")

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(N, C / b^2, H b, W b)."""
        n, c, h, w = one(self, inputs, 4)
        if c % self.block**2:
            raise InputError(f"depth_to_space: {c} channels do not divide by {self.block}^2")
        return n, c // self.block**2, h * self.block, w * self.block


@dataclass(frozen=True)
class SpaceToDepth(Rearrange):
    """Blocks of `block x block` positions to channels, the block's positions outermost (`DCR`) or innermost (`CRD`)."""

    block: int
    mode: str = "DCR"
    op = "space_to_depth"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(N, C b^2, H / b, W / b)."""
        n, c, h, w = one(self, inputs, 4)
        if h % self.block or w % self.block:
            raise InputError(f"space_to_depth: {h} x {w} does not divide into blocks of {self.block}")
        return n, c * self.block**2, h // self.block, w // self.block


@dataclass(frozen=True)
class ChannelShuffle(Rearrange):
    """Channel `g C/G + c` to `c G + g`: reshape to (G, C/G), transpose, flatten (ShuffleNet, arXiv 1707.01083)."""

    groups: int
    op = "channel_shuffle"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The shape of the input."""
        shape = one(self, inputs)
        positive(self, groups=self.groups)
        if len(shape) < 2 or shape[1] % self.groups:
            raise InputError(f"channel_shuffle: {self.groups} groups do not divide the channels of {shape}")
        return shape


@dataclass(frozen=True)
class Shift(Rearrange):
    """Channels in K^2 groups of `floor(C / K^2)`, group `(i, j)` moved by `(i - K // 2, j - K // 2)`, zeros entering,
    the remaining channels unmoved (Wu et al., arXiv 1711.08141): `y[c, p, q] = x[c, p + i - K//2, q + j - K//2]`.

    No MACs and no parameters, but real traffic.
    """

    kernel: int = 3
    op = "shift"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The shape of the input."""
        positive(self, kernel=self.kernel)
        return one(self, inputs, 4)

    def read_words(self, inputs: Sequence[Shape]) -> tuple[int, ...]:
        """The words that stay inside."""
        n, c, h, w = inputs[0]
        moves = (self.offset(channel, c) for channel in range(c))
        return (n * sum(max(0, h - abs(dy)) * max(0, w - abs(dx)) for dy, dx in moves),)

    def offset(self, channel: int, channels: int) -> tuple[int, int]:
        """Rows and columns by which the input of a channel is read ahead."""
        group = channels // self.kernel**2
        index = channel // group if group else self.kernel**2
        if index >= self.kernel**2:
            return 0, 0
        return index // self.kernel - self.kernel // 2, index % self.kernel - self.kernel // 2


@dataclass(frozen=True)
class TemporalShift(Rearrange):
    """Of `frames` frames that lie in the batch, channels below `C / fold` come from the frame after, the next `C /
    fold` from the frame before, zeros at the ends, the rest stays (TSM, Lin et al., arXiv 1811.08383)."""

    frames: int
    fold: int = 8
    op = "temporal_shift"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The shape of the input (clips x frames, C, ...)."""
        positive(self, frames=self.frames, fold=self.fold)
        shape = one(self, inputs)
        if shape[0] % self.frames:
            raise InputError(f"temporal_shift: {shape[0]} images are not whole clips of {self.frames} frames")
        return shape

    def read_words(self, inputs: Sequence[Shape]) -> tuple[int, ...]:
        """The words that stay inside their clip."""
        images, channels, *rest = self.output_shape(inputs)
        moved = min(2 * (channels // self.fold), channels)
        return ((images * channels - images // self.frames * moved) * prod(rest),)
