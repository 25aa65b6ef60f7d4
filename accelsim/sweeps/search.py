"""Multi-objective search with Optuna's NSGA-II and TPE: asked for a generation at a time, told in the order of numbers.

What is asked depends on the seed and on what was found, not on workers or their speed, so a search that is run again
asks for the same points; those that have answers are not run again, and the search goes on where it was ended.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from accelsim.space.quantity import Scalar, number
from accelsim.space.spec import SweepSpec
from accelsim.space.types import Dimension, Interval
from accelsim.sweeps.binding import Bound
from accelsim.sweeps.extras import need

if TYPE_CHECKING:
    from accelsim.sweeps.record import Record
    from accelsim.sweeps.runner import Executor, Loop


def study_of(spec: SweepSpec) -> Any:
    """A study with the sampler that the sweep names, its seed and its directions.

    Raises:
        InputError: Optuna is missing.
    """
    optuna = need("optuna", "search")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    search = spec.search
    if search.mode == "nsga2":
        sampler = optuna.samplers.NSGAIISampler(population_size=max(2, search.population), seed=search.seed)
    else:
        sampler = optuna.samplers.TPESampler(seed=search.seed, n_startup_trials=max(search.population, 10))
    directions = ["maximize" if goal.largest else "minimize" for goal in spec.goals]
    return optuna.create_study(sampler=sampler, directions=directions)


def suggest(trial: Any, dimension: Dimension) -> dict[str, Scalar]:
    """Values of a dimension: numbers in order by place, names as categories, intervals by value."""
    name, values = dimension.names[0], dimension.values
    if isinstance(values, Interval):
        return {name: values.rounded(_between(trial, name, values))}
    first = [number(row[0]) for row in values]
    ordered = all(one is not None for one in first) and len(dimension.names) == 1
    if ordered:
        order = sorted(range(len(values)), key=lambda i: _value(first[i]))
        return dimension.number(order[trial.suggest_int(name, 0, len(values) - 1)])
    return dimension.number(trial.suggest_categorical(name, list(range(len(values)))))


def _value(quantity: Any) -> Any:
    return quantity.value


def _between(trial: Any, name: str, span: Interval) -> Any:
    from fractions import Fraction

    low, high = float(span.low.value), float(span.high.value)
    return Fraction(trial.suggest_float(name, low, high, log=span.log))


def run_search(loop: Loop, record: Record, pool: AbstractContextManager[Executor]) -> None:
    """Ask, run, tell, until the sweep has its points.

    Raises:
        InputError: Optuna is missing.
    """
    spec = loop.spec
    study, optuna = study_of(spec), need("optuna", "search")
    failed = optuna.trial.TrialState.FAIL
    with pool as executor:
        for start in range(0, spec.search.points, spec.search.population):
            numbers = range(start, min(start + spec.search.population, spec.search.points))
            trials = [study.ask() for _ in numbers]
            bound = [loop.binder.bind(_params(trial, spec)) for trial in trials]
            loop.run_bound(record, executor, list(zip(numbers, bound, strict=True)))
            for trial, point in zip(trials, bound, strict=True):
                found = values(spec, record, point)
                study.tell(trial, found) if found is not None else study.tell(trial, state=failed)


def _params(trial: Any, spec: SweepSpec) -> dict[str, Scalar]:
    return {name: value for d in spec.space.dimensions for name, value in suggest(trial, d).items()}


def values(spec: SweepSpec, record: Record, point: Bound) -> list[float] | None:
    """The goals of a point; None if it failed, was excluded or is over budget."""
    figures = record.figures(point.key) if point.key else None
    power = spec.budgets.power_w
    if figures is None or (power is not None and figures["power_w"] > power):
        return None
    return [float(figures["figures"][goal.figure]) for goal in spec.goals]
