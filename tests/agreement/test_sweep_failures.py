"""Nothing finished is lost, nothing counts twice: workers and parents killed, full disks, points that fail or hang."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.unit.sweep_cases import alive, command, finished, start, until, write_sweep


def results(folder: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        command("sweep", "results", folder, "--json", "-"), capture_output=True, text=True, check=True
    )
    points: list[dict[str, Any]] = json.loads(done.stdout)["points"]
    return points


def run(*words: object) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(command(*words, "--json", "-"), capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr


def test_a_killed_worker_is_replaced_and_its_point_run_again(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, [":size=2", ":act='wait'", *(f":size={n}" for n in range(4, 9))])
    with start("sweep", sweep, "--out", tmp_path / "out", "-j", 2, "--json", "-") as process:
        until((tmp_path / "pid-wait").exists, "the worker at the waiting point")
        until(lambda: (tmp_path / "pid-wait").read_text() != "", "its id")
        pid = int((tmp_path / "pid-wait").read_text())
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid), "its end")
        (tmp_path / "go").touch()
        out, _ = process.communicate()
        assert process.returncode == 0
        assert json.loads(out)["status"]["done"] == json.loads(out)["ran"] == 7
        assert [p["status"] for p in results(tmp_path / "out")] == ["done"] * 7


def test_a_killed_parent_loses_no_finished_point_and_leaves_no_worker(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, [":size=2", ":size=3", ":act='wait'", ":size=5"])
    out = tmp_path / "out"
    with start("sweep", sweep, "--out", out, "-j", 1) as process:
        until((tmp_path / "pid-wait").exists, "the waiting point")
        until(lambda: finished(out) == 2, "two answers in the store")
        until(lambda: (tmp_path / "pid-wait").read_text() != "", "the worker's id")
        process.kill()
        process.communicate()
        pid = int((tmp_path / "pid-wait").read_text())
        until(lambda: not alive(pid), "the end of the orphaned worker")
        assert [p["status"] for p in results(out)] == ["done", "done", "pending", "pending"]
        (tmp_path / "go").touch()
        code, summary, _ = run("sweep", sweep, "--out", out, "-j", 1)
        assert (code, summary["ran"], summary["status"]["done"]) == (0, 2, 4)


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, [":size=2", ":act='wait'"])
    with start("sweep", sweep, "--out", tmp_path / "out", "-j", 1) as process:
        until((tmp_path / "pid-wait").exists, "the waiting point")
        until(lambda: finished(tmp_path / "out") == 1, "an answer in the store")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        assert process.returncode == 130
        assert "1 points are kept in" in errors and "the same command goes on" in errors
        assert [p["status"] for p in results(tmp_path / "out")] == ["done", "pending"]


def test_failing_dying_and_hanging_points_are_listed_and_can_be_retried(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, [":act='fail'", ":size=3", ":act='die'", ":act='hang'"])
    out = tmp_path / "out"
    code, summary, _ = run("sweep", sweep, "--out", out, "-j", 1, "--timeout", 2)
    assert (code, summary["status"]["done"], summary["status"]["failed"]) == (1, 1, 3)
    errors = {row["number"]: row["error"] for row in summary["failed"]}
    assert "tiny.py:20: ValueError: told to fail" in errors[0]
    assert errors[2] == "its worker was ended by SIGKILL, 2 times"
    assert errors[3] == "no answer within 2 s (timeout)"
    assert [p["status"] for p in results(out)] == ["failed", "done", "failed", "failed"]
    assert run("sweep", sweep, "--out", out, "-j", 1)[:2] == (1, {**summary, "ran": 0})
    (tmp_path / "mended").touch()
    code, again, _ = run("sweep", sweep, "--out", out, "-j", 1, "--timeout", 1, "--retry")
    assert (code, again["ran"], again["status"]["done"], again["status"]["failed"]) == (1, 3, 2, 2)


def on_small_disk(out: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command whose folder is on a file system of 200 KiB; where none can be mounted, with files limited to half.

    The folder's contents are copied out before the file system goes.
    """
    small = out.parent / "small"
    small.mkdir()
    mount = f"mount -t tmpfs -o size=200k tmpfs {small}"
    allowed = (
        shutil.which("unshare") and not subprocess.run(["unshare", "-rm", "sh", "-c", mount], check=False).returncode
    )
    if allowed:
        line = f'{mount} && "$@"; code=$?; cp -r {small} {out}; exit $code'
        return subprocess.run(
            ["unshare", "-rm", "sh", "-c", line, "sh", *words, "--out", str(small)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    limit = 100 * 1024
    return subprocess.run(
        [*words, "--out", str(out)], capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip


def test_a_full_disk_stops_the_sweep_and_keeps_what_was_recorded(tmp_path: Path) -> None:
    sweep, out = write_sweep(tmp_path, [f":size={n}" for n in range(2, 62)]), tmp_path / "out"
    done = on_small_disk(out, command("sweep", sweep, "-j", 1))
    assert done.returncode == 2, done.stderr
    assert "finished points are kept; free some space and run the same command again" in done.stderr
    assert "Traceback" not in done.stderr
    kept = sum(point["status"] == "done" for point in results(out))
    assert 0 < kept < 60
    code, summary, _ = run("sweep", sweep, "--out", out, "-j", 1)
    assert (code, summary["ran"], summary["status"]["done"]) == (0, 60 - kept, 60)


def test_two_parents_do_not_share_a_folder(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, [":act='wait'"])
    with start("sweep", sweep, "--out", tmp_path / "out", "-j", 1) as first:
        until((tmp_path / "pid-wait").exists, "the waiting point")
        code, _, errors = run("sweep", sweep, "--out", tmp_path / "out")
        assert code == 2
        assert "is in use by another accelsim process" in errors
        (tmp_path / "go").touch()
        first.communicate()
        assert first.returncode == 0


def test_shards_meet_in_one_store(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, [f":size={n}" for n in (2, 3, 4)])
    for index, count in enumerate((2, 1)):
        code, summary, _ = run(
            "sweep", "shard", sweep, "--index", index, "--of", 2, "--out", tmp_path / f"shard-{index}", "-j", 1
        )
        assert (code, summary["ran"]) == (0, count)
    code, summary, _ = run("sweep", "merge", tmp_path / "all", tmp_path / "shard-0", tmp_path / "shard-1")
    assert (code, summary["status"]["done"]) == (0, 3)
    code, summary, _ = run("sweep", sweep, "--out", tmp_path / "all", "-j", 1)
    assert (code, summary["ran"], summary["status"]["done"]) == (0, 0, 3)
