"""Shards of one sweep into one store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

from accelsim.errors import InputError
from accelsim.store import Lock
from accelsim.sweeps.record import Record
from accelsim.sweeps.runner import Summary, summarise

T = TypeVar("T")
CHUNK = 10_000
SAME = ("text", "version")


def merge(target: Path, sources: Sequence[Path]) -> Summary:
    """Copy points and results of shards into `target`, which may hold earlier ones; finished results are kept once.

    Raises:
        InputError: no sweep in a folder, or sweeps that differ in file or version.
    """
    if target.resolve() in [source.resolve() for source in sources]:
        raise InputError(f"merge into {target}, which is one of the shards; give another folder")
    metas = []
    for source in sources:
        with Record(source) as record:
            metas.append((source, record.meta()))
    if (target / "sweep.sqlite").is_file():
        with Record(target) as record:
            metas.insert(0, (target, record.meta()))
    first, meta = metas[0]
    for folder, other in metas[1:]:
        for key in SAME:
            if other.get(key) != meta.get(key):
                what = "another sweep file" if key == "text" else f"version {other.get(key)}, not {meta.get(key)}"
                raise InputError(f"cannot merge {folder} with {first}: it holds {what}")
    lock = Lock(target)
    try:
        with Record(target, create=True) as whole:
            whole.label({**meta, "shard": "0/1"})
            for source in sources:
                with Record(source) as part:
                    points, answers = part.registered(), part.answers()
                    while rows := _some(points):
                        whole.register(rows)
                    while found := _some(answers):
                        whole.put(found)
            return summarise(whole, meta["name"], str(target))
    finally:
        lock.release()


def _some(items: Iterator[T]) -> list[T]:
    return list(islice(items, CHUNK))
