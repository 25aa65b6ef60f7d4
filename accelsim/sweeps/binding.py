"""From the parameters of a point to its machine, network and options; every point through the ordinary YAML door."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelsim.arch import Accelerator
from accelsim.energy import area, table
from accelsim.errors import InputError, nearest
from accelsim.formats import arch_paths
from accelsim.formats.arch_yaml import MACHINE_KEYS, ReadModel, accelerator_of, errors_of
from accelsim.formats.yaml_text import Path as Keys
from accelsim.formats.yaml_text import parse
from accelsim.lookup import find_arch, load_energy_model, load_model
from accelsim.mapper.objective import OBJECTIVES, Objective
from accelsim.sim.timetable import SCHEDULES
from accelsim.space.quantity import Scalar
from accelsim.space.spec import POINT_KEYS, SweepSpec, Value
from accelsim.space.types import Derived
from accelsim.sweeps.work import Setting

Params = Mapping[str, Scalar]
EVERY_WIDTH = ("weights", "inputs", "outputs")
"""What `precision: 4 bit` sets; psums keep their width."""
Target = Keys | str
"""A path of the machine, or a name: one of POINT_KEYS, a parameter with variants, a plain variable."""


@dataclass(frozen=True)
class Bound:
    """A point ready to run, or the reason why it is not run.

    Attributes:
        params: parameters and derived values by name. key: content hash.
    """

    params: dict[str, Scalar]
    setting: Setting | None = None
    key: str = ""
    excluded: str = ""


@dataclass(frozen=True)
class _Machine:
    """A base machine: its document and where files beside it are."""

    document: dict[str, Any]
    read_model: ReadModel


class _Known(Mapping[str, Scalar]):
    """Names that an expression may read: parameters and variables first, then any value of the machine."""

    def __init__(self, named: Mapping[str, Scalar], document: dict[str, Any]) -> None:
        self.named, self.document = named, document

    def __getitem__(self, name: str) -> Scalar:
        if name in self.named:
            return self.named[name]
        try:
            value = arch_paths.get(self.document, arch_paths.resolve(self.document, name))
        except InputError:
            raise KeyError(name) from None
        if not isinstance(value, bool | int | float | str):
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter([*self.named, *arch_paths.names(self.document)])

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Binder:
    """Binds the points of a sweep; machines and digests of networks are read once.

    Raises:
        InputError: the sweep's names do not exist, or do not go together.
    """

    def __init__(self, spec: SweepSpec, version: str) -> None:
        self.spec, self.version = spec, version
        self._machines: dict[str, _Machine] = {}
        self._digests: dict[tuple[str, int], str] = {}
        self._models: dict[str, table.Model] = {}
        self._read = {name for e in self._expressions() for name in e.names}
        self._order = self._derivable()
        self.figures = tuple(dict.fromkeys([goal.figure for goal in spec.goals] + list(spec.figures)))

    def _expressions(self) -> list[Any]:
        return [d.expression for d in self.spec.space.derived] + list(self.spec.space.constraints)

    def machine(self, name: str) -> _Machine:
        """A base machine by name or file."""
        if name not in self._machines:
            try:
                found = find_arch(self._near(name))
            except InputError as error:
                raise InputError(f"{self.spec.place('arch')}: {error}") from None
            if found.path.suffix == ".cfg":
                raise InputError(f"{self.spec.place('arch')}: {name!r} is a SCALE-Sim .cfg; a sweep varies a YAML file")
            document = arch_paths.plain(parse(found.text, found.shown, MACHINE_KEYS))
            beside = found.path.parent
            self._machines[name] = _Machine(document, lambda given: self._energy(given, beside))
        return self._machines[name]

    def _near(self, name: str) -> str:
        """A file beside the sweep's, else the name as it is."""
        head, colon, tail = name.partition(":")
        beside = Path(self.spec.folder) / head
        return str(beside) + colon + tail if self.spec.folder and beside.is_file() else name

    def _energy(self, name: str, folder: Path) -> table.Model:
        key = f"{folder}/{name}"
        if key not in self._models:
            self._models[key] = load_energy_model(name, folder)[0]
        return self._models[key]

    def target(self, key: str, document: dict[str, Any]) -> Target:
        """What a key of the sweep sets.

        Raises:
            InputError: nothing that exists, with the nearest valid name.
        """
        if self.spec.choice(key) is not None:
            return key
        try:
            return self._field(key, document)
        except InputError as error:
            close = arch_paths.hint(document, key, [*POINT_KEYS, *(c.name for c in self.spec.choices)])
            raise InputError(f"{self.spec.place(key)}: {str(error).partition(';')[0]}; {close}") from None

    def _derivable(self) -> tuple[Derived, ...]:
        """Derived values in an order in which each is computed after what it reads."""
        document = self.machine(self.spec.base.arch).document
        waiting = list(self.spec.space.derived)
        sets = {derived.name: self.target(derived.name, document) for derived in waiting}

        def reads(derived: Derived) -> set[str]:
            found = set()
            for name in derived.expression.names:
                for other, target in sets.items():
                    if name == other or (isinstance(target, tuple) and _same(document, name, target)):
                        found.add(other)
            return found

        needs = {derived.name: reads(derived) for derived in waiting}
        order: list[Derived] = []
        while waiting:
            ready = [d for d in waiting if needs[d.name] <= {done.name for done in order}]
            if not ready:
                name = waiting[0].name
                raise InputError(f"{self.spec.place(name)}: {name} is computed from itself")
            order.append(ready[0])
            waiting.remove(ready[0])
        return tuple(order)

    def bind(self, params: Params) -> Bound:
        """A point's machine, network, options and hash, or why it is excluded.

        Raises:
            InputError: a value that the machine or the run cannot have, with the key that sets it.
        """
        alternatives = self._alternatives(params)
        made = [self._one(params, chosen) for chosen in alternatives]
        named, machine, options = made[0]
        shown = dict(named)
        for constraint in self.spec.space.constraints:
            try:
                if not constraint.holds(_Known(named, self._document_of(params, alternatives[0]))):
                    return Bound(shown, excluded=f"constraint: {constraint.text}")
            except InputError as error:
                raise InputError(f"{self.spec.source}: constraints: {error}") from None
        machines = tuple(machine for _, machine, _ in made)
        if len({(m.clock_hz, m.array.pes) for m in machines}) > 1:
            raise InputError(f"{self.spec.source}: best_of: the machines differ in clock or number of PEs")
        over = self._over(machine)
        if over:
            return Bound(shown, excluded=over)
        model, digest = self._model(options)
        setting = Setting(
            machines, model, digest, int(options["batch"]), self._objective(options["objective"]), self.figures,
            self.spec.keep_layers, self.spec.effort, self._schedule(options["schedule"], len(machines)),
        )  # fmt: skip
        return Bound(shown, setting, setting.key(self.version))

    def _alternatives(self, params: Params) -> list[dict[str, str]]:
        """By parameter with variants the label to use; several tables if one is a `best_of`."""
        tables: list[dict[str, str]] = [{}]
        for choice in self.spec.choices:
            variant = choice.get(params[choice.name])
            assert variant is not None
            labels = variant.best_of or (variant.label,)
            tables = [{**old, choice.name: label} for old in tables for label in labels]
        return tables

    def _changes(self, params: Params, chosen: Mapping[str, str]) -> list[tuple[str, Value, str]]:
        """(key, value, parameter that brings it) of a point without derived values."""
        found: list[tuple[str, Value, str]] = []
        for key, value in params.items():
            choice = self.spec.choice(key)
            if choice is None:
                found.append((key, value, key))
                continue
            variant = choice.get(chosen[key])
            assert variant is not None
            found += [(inner, item, key) for inner, item in variant.changes]
        return found

    def _document_of(self, params: Params, chosen: Mapping[str, str]) -> dict[str, Any]:
        return self._applied(params, chosen)[1]

    def _applied(
        self, params: Params, chosen: Mapping[str, str]
    ) -> tuple[dict[str, Scalar], dict[str, Any], dict[str, Scalar], dict[Keys, str], ReadModel]:
        """(named values, document, options of the run, who set each path, reader of energy models)."""
        base, spec = self.spec.base, self.spec
        options: dict[str, Scalar] = {
            "model": base.model, "batch": base.batch, "objective": base.objective, "energy": base.energy,
            "arch": base.arch, "schedule": base.schedule,
        }  # fmt: skip
        changes = self._changes(params, chosen)
        for key, value, _ in changes:
            if key == "arch":
                options["arch"] = str(value)
        machine = self.machine(str(options["arch"]))
        document = deepcopy(machine.document)
        named: dict[str, Scalar] = dict(params)
        owners: dict[Keys, str] = {}

        def apply(key: str, value: Value, owner: str) -> None:
            target = self.target(key, machine.document) if owner == key else self._inner(key, machine.document, owner)
            if isinstance(target, str):
                if isinstance(value, tuple):
                    raise InputError(f"{spec.place(owner)}: {key}: a list, expected one value")
                if target in POINT_KEYS:
                    options[target] = value
                elif owner != key:
                    named[key] = value
                return
            for path in _spread(target, document, value, spec.place(owner)):
                if path in owners:
                    twice = arch_paths.named(document, path)
                    raise InputError(f"{spec.place(owner)}: {twice} is set by {owners[path]} and by {owner}")
                owners[path] = owner
                arch_paths.put(document, path, list(value) if isinstance(value, tuple) else value)

        for key, value, owner in changes:
            apply(key, value, owner)
        for derived in self._order:
            try:
                value = derived.expression.scalar(_Known(named, document))
            except InputError as error:
                raise InputError(f"{spec.place(derived.name)}: {error}{_at(params)}") from None
            named[derived.name] = value
            apply(derived.name, value, derived.name)
        return named, document, options, owners, machine.read_model

    def _inner(self, key: str, document: dict[str, Any], owner: str) -> Target:
        """What a change of a variant sets."""
        try:
            return self._field(key, document)
        except InputError as error:
            raise InputError(f"{self.spec.place(owner)}: {error}") from None

    def _field(self, key: str, document: dict[str, Any]) -> Target:
        """A key of a point, a field of the machine, or a name that expressions read.

        Raises:
            InputError: none of these.
        """
        if key in POINT_KEYS:
            return key
        try:
            return arch_paths.resolve(document, key)
        except InputError:
            if key.isidentifier() and key in self._read:
                return key
            raise

    def _one(
        self, params: Params, chosen: Mapping[str, str]
    ) -> tuple[dict[str, Scalar], Accelerator, dict[str, Scalar]]:
        named, document, options, owners, read_model = self._applied(params, chosen)
        try:
            machine = accelerator_of(document, self.spec.source, read_model)
            if options["energy"]:
                machine = table.apply(machine, self._energy(str(options["energy"]), Path(self.spec.folder)))
        except InputError as error:
            raise InputError(self._blame(document, owners, params, str(error))) from None
        return named, machine, options

    def _blame(self, document: dict[str, Any], owners: dict[Keys, str], params: Params, text: str) -> str:
        """The errors of a machine by the keys of the sweep that set the wrong values."""
        _, wrong = errors_of(document)
        lines = []
        for path, message in wrong:
            owner = owners.get(path) or next((o for p, o in owners.items() if path[: len(p)] == p), None)
            name = arch_paths.named(document, path)
            place = self.spec.place(owner) if owner is not None else f"{self.spec.source}: {name}"
            lines.append(f"{place}: {message}" if owner in (None, name) else f"{place}: {name}: {message}")
        return ("\n".join(dict.fromkeys(lines)) or text) + _at(params)

    def _over(self, machine: Accelerator) -> str:
        """Which budget that is known before a run a machine exceeds."""
        budgets = self.spec.budgets
        if budgets.area_mm2 is not None:
            try:
                found = area.area(machine)["total"].value
            except InputError as error:
                raise InputError(f"{self.spec.source}: budgets: {error}") from None
            if found > budgets.area_mm2:
                return f"area {found:.4g} mm2, budget {budgets.area_mm2:g} mm2"
        speed = machine.dram.bandwidth_bits_per_s
        if budgets.bandwidth_bits_per_s is not None and speed > budgets.bandwidth_bits_per_s:
            return f"bandwidth {speed / 8e9:g} GB/s, budget {budgets.bandwidth_bits_per_s / 8e9:g} GB/s"
        return ""

    def _model(self, options: Mapping[str, Scalar]) -> tuple[str, str]:
        model, batch = self._near(str(options["model"])), options["batch"]
        if isinstance(batch, bool) or not isinstance(batch, int):
            raise InputError(f"{self.spec.place('batch')}: {batch!r}, expected a whole number of at least 1")
        if (model, batch) not in self._digests:
            try:
                self._digests[model, batch] = load_model(model, batch)[1].sha256
            except InputError as error:
                key = "batch" if str(error).startswith("batch") else "model"
                raise InputError(f"{self.spec.place(key)}: {error}") from None
        return model, self._digests[model, batch]

    def _schedule(self, given: Scalar, machines: int) -> str:
        place = self.spec.place("schedule")
        if given not in SCHEDULES:
            raise InputError(f"{place}: {given!r}; {nearest(str(given), SCHEDULES)}")
        if machines > 1 and given != "layerwise":
            raise InputError(f"{place}: {given!r}, expected 'layerwise' with best_of, which picks by layer")
        return str(given)

    def _objective(self, given: Scalar) -> Objective:
        for name in OBJECTIVES:
            if name == given:
                return name
        raise InputError(f"{self.spec.place('objective')}: {given!r}; {nearest(str(given), OBJECTIVES)}")


def _same(document: dict[str, Any], name: str, target: Keys) -> bool:
    try:
        return arch_paths.resolve(document, name) == target
    except InputError:
        return False


def _spread(path: Keys, document: dict[str, Any], value: Value, place: str) -> list[Keys]:
    """The paths that a value is put at: itself, or the widths that `precision` stands for."""
    if path == ("precision",):
        return [("precision", name) for name in EVERY_WIDTH]
    present = arch_paths.get(document, path)
    if isinstance(present, dict) or isinstance(present, list) != isinstance(value, tuple):
        if not isinstance(present, dict | list):
            raise InputError(f"{place}: {arch_paths.named(document, path)}: a list, expected one value")
        inside = [str(key) for key in present] if isinstance(present, dict) else [str(k) for k in range(len(present))]
        name = arch_paths.named(document, path)
        raise InputError(f"{place}: {name} is a group, not a value ({value!r}); it has {', '.join(inside)}")
    return [path]


def _at(params: Params) -> str:
    return " (at " + ", ".join(f"{key}={value}" for key, value in params.items()) + ")" if params else ""
