"""The store of record of a sweep: an SQLite file with the points of the sweep and the results by content hash.

One process writes it (the folder is locked). Every answer is one transaction in a write-ahead log, so what was
committed survives the end of any process at any time; a full disk rolls back and is reported. Results belong to
hashes, not to points: a point that another sweep file or shard also asks for is not run again, and none counts twice.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelsim.errors import InputError
from accelsim.space.quantity import Scalar
from accelsim.sweeps.work import Answer

FILE = "sweep.sqlite"
FORMAT = 1
FAILED, DONE, EXCLUDED, OVER, PENDING = "failed", "done", "excluded", "over budget", "pending"
STATUSES = (DONE, FAILED, EXCLUDED, OVER, PENDING)
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE points (
  number INTEGER PRIMARY KEY, hash TEXT NOT NULL, params TEXT NOT NULL, excluded TEXT NOT NULL DEFAULT ''
);
CREATE INDEX points_by_hash ON points (hash);
CREATE TABLE results (
  hash TEXT PRIMARY KEY, error TEXT NOT NULL, figures TEXT NOT NULL, report TEXT, seconds REAL NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Registered:
    """A point of the sweep: its number, hash (empty if excluded), parameters, and why it is excluded."""

    number: int
    key: str
    params: dict[str, Scalar]
    excluded: str = ""


@dataclass(frozen=True)
class Row:
    """A point with its result.

    Attributes:
        reason: why it failed, was excluded, or is over budget.
        figures: `totals`, `edp`, `area_mm2`, `power_w`, `figures`; empty unless it was run.
    """

    number: int
    key: str
    params: dict[str, Scalar]
    status: str
    reason: str
    figures: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """As in `accelsim sweep results --json -`."""
        totals = self.figures.get("totals", {})
        extra = {name: self.figures.get(name) for name in ("edp", "area_mm2", "power_w")}
        return {
            "number": self.number, "params": self.params, "status": self.status, "totals": totals, **extra,
            "figures": self.figures.get("figures", {}), "hash": self.key,
            **({"error" if self.status == FAILED else "reason": self.reason} if self.reason else {}),
        }  # fmt: skip


class Record:
    """An open store.

    Raises:
        InputError: no store there, one of another format, or a disk that is full or cannot be written.
    """

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        self.folder, path, self._writes = folder, folder / FILE, create
        if not create and not path.is_file():
            raise InputError(f"no sweep in {str(folder)!r} (no {FILE}); give the folder of `accelsim sweep FILE --out`")
        uri = path.resolve().as_uri() + ("" if create else "?mode=ro")
        with ExitStack() as stack:
            try:
                self._db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30)
                stack.callback(self._db.close)
                if create:
                    self._db.execute("PRAGMA journal_mode=WAL")
                    self._db.execute("PRAGMA synchronous=NORMAL")
                self._check(create)
            except sqlite3.Error as error:
                raise self._broken(error) from None
            stack.pop_all()

    def _check(self, create: bool) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables == 0 and create:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={FORMAT}; COMMIT;")
        elif version != FORMAT:
            raise InputError(f"{self.folder / FILE} has format {version}, this accelsim reads {FORMAT}")

    def _broken(self, error: sqlite3.Error) -> InputError:
        text = str(error)
        hint = "finished points are kept; free some space and run the same command again" if any(
            word in text for word in ("full", "I/O", "readonly")
        ) else "is it a store of `accelsim sweep`?"  # fmt: skip
        return InputError(f"{self.folder / FILE}: {text}; {hint}")

    def close(self) -> None:
        """Close it; the write-ahead log is folded in, so that a read-only copy can be read, too."""
        if self._writes:
            with suppress(sqlite3.Error):  # somebody else reads it, or the disk is full: the log stays beside it
                self._db.execute("PRAGMA journal_mode=DELETE")
        self._db.close()

    def __enter__(self) -> Record:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, statements: Iterable[tuple[str, Sequence[Any]]]) -> None:
        """One transaction: all of it or nothing."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for text, values in statements:
                self._db.execute(text, values)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise self._broken(error) from None

    def begin(self, meta: dict[str, str]) -> None:
        """Name the sweep; points registered before are forgotten, results stay."""
        rows = [("INSERT OR REPLACE INTO meta VALUES (?, ?)", pair) for pair in sorted(meta.items())]
        self._write([("DELETE FROM points", ()), ("DELETE FROM meta", ()), *rows])

    def label(self, meta: dict[str, str]) -> None:
        """Say what sweep the points are of."""
        self._write(("INSERT OR REPLACE INTO meta VALUES (?, ?)", pair) for pair in sorted(meta.items()))

    def register(self, points: Iterable[Registered]) -> None:
        """Add points."""
        text = "INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?)"
        self._write((text, (p.number, p.key, json.dumps(p.params), p.excluded)) for p in points)

    def put(self, answers: Iterable[Answer]) -> None:
        """Keep answers; a finished point is never replaced, a failed one is."""
        text = (
            "INSERT INTO results VALUES (?, ?, ?, ?, ?) ON CONFLICT (hash) DO UPDATE SET error=excluded.error, "
            "figures=excluded.figures, report=excluded.report, seconds=excluded.seconds WHERE results.error != ''"
        )
        self._write((text, _columns(answer)) for answer in answers)

    def forget_failed(self, keys: Iterable[str]) -> None:
        """Make the failed ones of these hashes pending again."""
        self._write(("DELETE FROM results WHERE error != '' AND hash = ?", (key,)) for key in keys)

    def settled(self) -> dict[str, bool]:
        """By hash of every result: whether it is finished (False: failed)."""
        return {key: not error for key, error in self._rows("SELECT hash, error FROM results")}

    def figures(self, key: str) -> dict[str, Any] | None:
        """The figures of a finished hash; None if there are none."""
        for (text,) in self._rows("SELECT figures FROM results WHERE hash = ? AND error = ''", (key,)):
            found: dict[str, Any] = json.loads(text)
            return found
        return None

    def report(self, key: str) -> dict[str, Any] | None:
        """The whole report of a hash, where it was kept."""
        for (text,) in self._rows("SELECT report FROM results WHERE hash = ? AND report IS NOT NULL", (key,)):
            found: dict[str, Any] = json.loads(text)
            return found
        return None

    def meta(self) -> dict[str, str]:
        """What `begin` was given."""
        return dict(self._rows("SELECT key, value FROM meta ORDER BY key"))

    def size(self) -> int:
        """Points registered."""
        return int(next(self._rows("SELECT count(*) FROM points"))[0])

    def answers(self) -> Iterator[Answer]:
        """All results, by hash."""
        for key, error, figures, report, seconds in self._rows("SELECT * FROM results ORDER BY hash"):
            table = json.loads(figures)
            if report is not None:
                table["report"] = json.loads(report)
            yield Answer(key, table, error, seconds)

    def registered(self) -> Iterator[Registered]:
        """All points, by number."""
        for number, key, params, excluded in self._rows("SELECT * FROM points ORDER BY number"):
            yield Registered(number, key, json.loads(params), excluded)

    def rows(self) -> Iterator[Row]:
        """All points with their results, by number."""
        power = json.loads(self.meta().get("budgets", "{}")).get("power_w")
        text = (
            "SELECT number, points.hash, params, excluded, error, figures FROM points "
            "LEFT JOIN results ON results.hash = points.hash ORDER BY number"
        )
        for number, key, params, excluded, error, figures in self._rows(text):
            found = json.loads(figures) if figures else {}
            status, reason = _status(excluded, error, found, power)
            yield Row(number, key, json.loads(params), status, reason, found)

    def _rows(self, text: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        try:
            yield from self._db.execute(text, values)
        except sqlite3.Error as error:
            raise self._broken(error) from None


def _columns(answer: Answer) -> tuple[str, str, str, str | None, float]:
    figures = {name: value for name, value in answer.figures.items() if name != "report"}
    report = answer.figures.get("report")
    kept = None if report is None else json.dumps(report, separators=(",", ":"))
    return answer.key, answer.error, json.dumps(figures, separators=(",", ":")), kept, answer.seconds


def _status(excluded: str, error: str | None, figures: dict[str, Any], power: float | None) -> tuple[str, str]:
    if excluded:
        return EXCLUDED, excluded
    if error is None:
        return PENDING, ""
    if error:
        return FAILED, error
    if power is not None and figures["power_w"] > power:
        return OVER, f"power {figures['power_w']:.4g} W, budget {power:g} W"
    return DONE, ""
