"""Certificates as JSON: what is claimed of which layers on which machine, the incumbents, and the boxes.

The file says the machine and every problem in full, so a checker sees whether it has the same ones before it. Flags of
boxes are base64 of zlib of bits (`accelsim.certify`); everything else reads as it stands.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from accelsim.arch import Accelerator
from accelsim.arch.choices import Bypass, formed
from accelsim.certify.proof import Claim, Family
from accelsim.certify.space import Question
from accelsim.errors import CheckFailed, InputError, nearest
from accelsim.formats.canonical import canonical, difference
from accelsim.formats.mapping_yaml import parse_mapping, write_mapping
from accelsim.mapping.constraint import Constraint
from accelsim.problem import Problem

FORMAT = "accelsim certificate 1"
Whole = Annotated[int, Field(ge=0, strict=True)]
Count = Annotated[int, Field(ge=1, strict=True)]
Text = Annotated[str, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FamilyModel(_Model):
    """Parts of boxes: which cut, how many, least bound of the closed ones (null: none fits), flags of the open ones."""

    stage: Whole
    boxes: Whole
    bound: Whole | None
    open: Text


class LayerModel(_Model):
    """A layer on one form of the machine (`bypass`: operands that pass by a memory): its problem, the incumbent and
    what it takes, the claimed bound, the boxes."""

    name: Text
    times: Count
    bypass: dict[str, list[Text]]
    post_ops: Whole
    problem: dict[str, Any]
    mapping: Text
    energy_fj: Whole
    cycles: Whole
    cost: Whole
    bound: Whole
    families: list[FamilyModel]

    @property
    def pairs(self) -> Bypass:
        """(memory, operand) of what passes by."""
        return frozenset((memory, operand) for memory, operands in self.bypass.items() for operand in operands)


class CertificateModel(_Model):
    """A certificate. `arch` and `model` are names as on the command line, `machine` is the machine in full."""

    format: Literal["accelsim certificate 1"]
    arch: Text
    dataflow: Text
    machine: dict[str, Any]
    model: Text
    batch: Count
    input_shapes: dict[str, list[Count]]
    objective: Literal["edp", "energy", "latency"]
    imperfect: Flag
    constraints: Text
    layers: Annotated[list[LayerModel], Field(min_length=1)]


def write_certificate(heading: dict[str, Any], arch: Accelerator, claims: list[tuple[str, int, Claim]]) -> str:
    """The text of a certificate.

    Args:
        heading: `arch`, `dataflow`, `model`, `batch`, `input_shapes`, `constraints` (YAML or empty).
        claims: name of the layer, how often it occurs, what is claimed. All have one objective.
    """
    layers = []
    for name, times, claim in claims:
        q = claim.question
        layers.append({
            "name": name, "times": times, "bypass": _by_memory(q.arch.bypassed),
            "post_ops": q.post_ops, "problem": canonical(q.problem),
            "mapping": write_mapping(claim.mapping), "energy_fj": claim.energy_fj, "cycles": claim.cycles,
            "cost": claim.cost, "bound": claim.bound,
            "families": [
                {"stage": f.stage, "boxes": f.boxes, "bound": f.bound, "open": f.open} for f in claim.families
            ],
        })  # fmt: skip
    q = claims[0][2].question
    document = {"format": FORMAT, **heading, "machine": canonical(arch), "objective": q.objective,
                "imperfect": q.imperfect, "layers": layers}  # fmt: skip
    return json.dumps({key: document[key] for key in CertificateModel.model_fields}, indent=1) + "\n"


def _by_memory(bypass: Bypass) -> dict[str, list[str]]:
    return {m: [operand for at, operand in sorted(bypass) if at == m] for m, _ in sorted(bypass)}


def form_of(layer: LayerModel, arch: Accelerator) -> Accelerator:
    """The machine in the form that a layer's claim is about.

    Raises:
        CheckFailed: the machine has no such form.
    """
    try:
        return formed(arch, layer.pairs)
    except InputError as error:
        raise CheckFailed(f"not a form of the machine: {error}") from None


def read_certificate(path: str) -> CertificateModel:
    """A certificate from a file.

    Raises:
        InputError: it cannot be read or is no certificate; with file, key, value and what was expected.
    """
    name = Path(path).name
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read certificate {path!r}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{name}: not UTF-8 text, expected a certificate (JSON)") from None
    except (json.JSONDecodeError, RecursionError) as error:
        place = f":{error.lineno}:{error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(f"{name}{place}: not JSON, expected a certificate") from None
    try:
        return CertificateModel.model_validate(document)
    except ValidationError as error:
        raise InputError("\n".join(f"{name}: {_message(item)}" for item in error.errors())) from None


def _message(error: Any) -> str:
    path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in error["loc"]).lstrip(".")
    if error["type"] == "missing":
        return f"{path}: missing"
    if error["type"] == "extra_forbidden":
        fields = (
            FamilyModel if "families" in error["loc"] else LayerModel if "layers" in error["loc"] else CertificateModel
        )
        return f"{path}: unknown key; {nearest(str(error['loc'][-1]), fields.model_fields)}"
    shown = repr(error["input"])
    return f"{path or 'file'}: {shown[:60]}, {error['msg'][0].lower()}{error['msg'][1:]}"


def same_machine(found: CertificateModel, arch: Accelerator) -> None:
    """Refuse a certificate of another machine.

    Raises:
        CheckFailed: what differs.
    """
    wrong = difference(canonical(arch), found.machine)
    if wrong:
        raise CheckFailed(f"{arch.name} is not the machine of the certificate: {wrong}")


def claim_of(
    found: CertificateModel, layer: LayerModel, problem: Problem, post_ops: int, arch: Accelerator, limit: Constraint
) -> Claim:
    """What a certificate claims of a layer whose problem is this one.

    Raises:
        CheckFailed: the certificate is about another problem.
        InputError: the mapping is no loop nest of it.
    """
    wrong = difference(canonical(problem), layer.problem) or difference(post_ops, layer.post_ops, "post_ops")
    if wrong:
        raise CheckFailed(f"not the layer of the certificate: {wrong}")
    question = Question(problem, arch, found.objective, post_ops, limit, found.imperfect)
    mapping = parse_mapping(layer.mapping, problem, arch, f"mapping of {layer.name}")
    families = tuple(Family(f.stage, f.boxes, f.open, f.bound) for f in layer.families)
    return Claim(question, mapping, layer.energy_fj, layer.cycles, layer.cost, layer.bound, families)
