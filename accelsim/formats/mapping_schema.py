"""The pydantic models of a mapping's YAML: strict, unknown keys refused, loops and factors read at the door."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, field_validator
from pydantic_core import ErrorDetails

from accelsim.arch import Dataflow
from accelsim.errors import InputError, nearest
from accelsim.mapping.constraint import ANY, Factor
from accelsim.mapping.types import Kind, Loop
from accelsim.problem import DIMS

KINDS: dict[str, Kind] = {"row": "row", "col": "col", "diagonal": "diagonal", "band": "band"}
LOOPS, RULES = "<loops>", "<rules>"
"""The two forms that the loops of a place can have; the tags are left out of the paths in messages."""
FACTOR_FORMS = 'a factor such as 4, "<= 8", ">= 2", {2, 4, 8} or any'


def _whole(value: object) -> int:
    if isinstance(value, str) and re.fullmatch(r"\s*\d{1,18}\s*", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{value!r} is not a whole number of at least 1")
    return value


def _dim(value: object) -> str:
    if not isinstance(value, str) or value not in DIMS:
        raise ValueError(f"{value!r} is not a dim; {nearest(str(value), DIMS)}")
    return value


def _factor(value: object) -> Factor:
    """A factor as a number, a bound, bounds with a comma between, a set or a list, or `any`."""
    try:
        if isinstance(value, dict) and value and all(item is None for item in value.values()):
            return Factor(among=frozenset(_whole(item) for item in value))
        if isinstance(value, list) and value:
            return Factor(among=frozenset(_whole(item) for item in value))
        if not isinstance(value, str):
            if isinstance(value, dict | list):
                raise ValueError(f"{value!r}, expected {FACTOR_FORMS}")
            number = _whole(value)
            return Factor(number, number)
        return _factor_text(value.strip())
    except InputError as error:
        raise ValueError(str(error)) from None


def _factor_text(text: str) -> Factor:
    if text == "any":
        return ANY
    if text.startswith("{") and text.endswith("}"):
        return Factor(among=frozenset(_whole(item) for item in text[1:-1].split(",")))
    low, high = 1, None
    for part in text.split(","):
        match = re.fullmatch(r"\s*(<=|>=|)\s*(\d{1,18})\s*", part)
        if match is None:
            raise ValueError(f"{text!r}, expected {FACTOR_FORMS}")
        number = _whole(match[2])
        low = low if match[1] == "<=" else max(low, number)
        high = high if match[1] == ">=" else number if high is None else min(high, number)
    return Factor(low, high)


def _loop(value: object, spatial: bool) -> Loop:
    """A loop as `P 4`, or `C 16 row` across the array."""
    form = "'C 16 row', 'M 32 col', 'G 8 diagonal' or 'Q 4 band'" if spatial else "'P 4'"
    parts = value.split() if isinstance(value, str) else []
    if len(parts) != (3 if spatial else 2):
        raise ValueError(f"{value!r}, expected a loop such as {form}")
    kind = KINDS.get(parts[2]) if spatial else "temporal"
    if kind is None:
        raise ValueError(f"{value!r}, expected a loop such as {form}; {nearest(parts[2], KINDS)}")
    return Loop(_dim(parts[0]), _whole(parts[1]), kind)


def _form(value: object) -> str | None:
    return LOOPS if isinstance(value, list) else RULES if isinstance(value, dict) else None


Operand = Literal["Inputs", "Weights", "Outputs"]
Dim = Annotated[str, BeforeValidator(_dim)]
FactorText = Annotated[Factor | None, BeforeValidator(_factor)]
TimeLoop = Annotated[Loop, BeforeValidator(lambda value: _loop(value, spatial=False))]
SpaceLoop = Annotated[Loop, BeforeValidator(lambda value: _loop(value, spatial=True))]
Flag = Annotated[bool, Field(strict=True)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _stated(cls, value: object) -> object:
        if value is None:
            raise ValueError("nothing stands here; leave the key out if it is free")
        return value


class AxisModel(_Model):
    """Factors by dim along an axis of the array; dims that are not named are free, or 1 with `only`."""

    N: FactorText = None
    G: FactorText = None
    M: FactorText = None
    C: FactorText = None
    out_depth: FactorText = Field(default=None, alias="O")
    P: FactorText = None
    Q: FactorText = None
    T: FactorText = None
    R: FactorText = None
    S: FactorText = None
    only: Flag = False

    @property
    def factors(self) -> tuple[tuple[str, Factor], ...]:
        """The dims that are named with their factors."""
        named = {dim: getattr(self, "out_depth" if dim == "O" else dim) for dim in DIMS}
        return tuple((dim, factor) for dim, factor in named.items() if factor is not None)


class LevelModel(AxisModel):
    """Factors by dim in time, and the order of the loops: dims outer to inner among themselves, the innermost loop."""

    order: list[Dim] = []
    innermost: Dim | None = None


class SpatialModel(_Model):
    """Factors by axis of the array; the diagonal is both axes at once, a band one dim along each (`mapping.bands`)."""

    row: AxisModel | None = None
    col: AxisModel | None = None
    diagonal: AxisModel | None = None
    band: AxisModel | None = None


Level = Annotated[
    Annotated[list[TimeLoop], Tag(LOOPS)] | Annotated[LevelModel, Tag(RULES)], Discriminator(_form)
]  # fmt: skip
Spatial = Annotated[
    Annotated[list[SpaceLoop], Tag(LOOPS)] | Annotated[SpatialModel, Tag(RULES)], Discriminator(_form)
]  # fmt: skip


class LayerModel(_Model):
    """A layer's mapping, whole or in part: each place has its loops, or factors and an order, or is left out."""

    levels: dict[str, Level] = {}
    stream: Level | None = Field(default=None)
    spatial: Spatial | None = Field(default=None)
    pe: Level | None = Field(default=None)
    dataflow: Dataflow | None = None
    resident: list[Operand] = []
    partly: dict[Operand, TimeLoop] = {}
    bypass: dict[str, list[Operand]] | None = None


class FileModel(_Model):
    """Mappings of several layers by name; `*` is for every layer that is not named."""

    layers: dict[str, LayerModel]


def untagged(loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The path in the file of a place in the models: without the tag of the form that a place's loops have."""
    kept: list[int | str] = []
    seen = False
    for key in loc:
        inner = kept[2:] if kept[:1] == ["layers"] else kept
        place = inner in (["stream"], ["pe"], ["spatial"]) or (len(inner) == 2 and inner[0] == "levels")
        if place and not seen and key in (LOOPS, RULES):
            seen = True
        else:
            kept.append(key)
    return tuple(kept[:-1] if kept[-1] == "[key]" else kept)


def keys_at(path: tuple[int | str, ...]) -> tuple[str, ...]:
    """The keys that may stand where the last of a path does (without tags)."""
    inner = path[2:] if path[:1] == ("layers",) else path
    if len(inner) == 1:
        return tuple(LayerModel.model_fields)
    if inner[0] == "spatial" and len(inner) == 2:
        return tuple(SpatialModel.model_fields)
    return (*DIMS, "only") if inner[0] == "spatial" else (*DIMS, "only", "order", "innermost")


def message(error: ErrorDetails, path: tuple[int | str, ...]) -> str:
    """What is wrong at a path, what was expected, and the nearest name."""
    kind, given = error["type"], error["input"]
    if kind == "extra_forbidden":
        return f"unknown key; {nearest(str(path[-1]), keys_at(path))}"
    if error["loc"][-1] == "[key]" and kind != "literal_error":
        return f"the key {given!r} is not text; put it in quotes"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind == "literal_error":
        names = error["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        return f"{given!r}, expected {error['ctx']['expected']}; {nearest(str(given), names)}"
    if kind.startswith("union_tag"):
        rules = "{row: {C: 16}, col: {M: 32}}" if path[-1] == "spatial" else "{P: 4}"
        loops = "[C 16 row, M 32 col]" if path[-1] == "spatial" else "[P 4, C 2]"
        return f"{given!r}, expected a list of loops such as {loops}, or factors by dim such as {rules}"
    if path[-1] in ("layers", "levels") and kind == "dict_type":
        return f"{given!r}, expected names of {'layers' if path[-1] == 'layers' else 'memories'} and what is there"
    if kind in ("dict_type", "model_type"):
        return f"{given!r}, expected keys of {', '.join(keys_at((*path, '')))}"
    return f"{given!r}: {error['msg'][0].lower()}{error['msg'][1:]}"
