"""Do the pages say what the commands print, and does the reference say what the code has?"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import accelsim.cli
from accelsim.cli.docs import PAGES
from accelsim.formats.report_keys import keys, meaning, paths_of

PROSE = ("README.md", "tutorial.md", "howto.md", "explanation.md", "names.md")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.S | re.M)


@pytest.fixture
def folder(root: Path) -> Path:
    return root / "reports" / "docs"


def plain(text: str) -> str:
    """Without boxes and runs of spaces."""
    return " ".join(re.sub(r"[│┃|]", " ", text).split())


def printed(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr("sys.argv", command.split())
    with pytest.raises(SystemExit) as stop:
        accelsim.cli.main()
    out, err = capsys.readouterr()
    assert stop.value.code == 0, f"{command}: {err}"
    return plain(out)


def steps(block: str) -> list[tuple[str, list[str]]]:
    """The commands of a block and the lines that each must print."""
    found: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


@pytest.mark.parametrize(("page", "commands"), [("tutorial.md", 9), ("howto.md", 15)])
def test_commands_print_what_pages_say(
    page: str, commands: int, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    ran = 0
    for kind, block in FENCE.findall((folder / page).read_text()):
        if kind == "yaml":
            name = re.search(r"^name: (\w+)$", block, re.M)
            assert name is not None
            Path(f"{name[1]}.yaml").write_text(block)
        for command, lines in steps(block) if kind == "console" else []:
            out = printed(command, monkeypatch, capsys)
            for line in lines:
                assert plain(line) in out, f"{page}: {command} does not print {line!r}"
            ran += 1
    assert ran == commands


@pytest.mark.parametrize("page", ["howto.md", "explanation.md"])
def test_python_blocks_run(page: str, folder: Path) -> None:
    found = [code for kind, code in FENCE.findall((folder / page).read_text()) if kind == "python"]
    assert len(found) == 1
    exec(compile(found[0], page, "exec"), {})


def anchors(file: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", file.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PROSE)
def test_links_lead_somewhere(page: str, folder: Path) -> None:
    links = re.findall(r"\]\(([^)]+)\)", (folder / page).read_text())
    for link in links:
        path, _, anchor = link.partition("#")
        target = folder / path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_reference_is_what_the_code_says(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed(f"accelsim docs --out {tmp_path}", monkeypatch, capsys)
    for name in PAGES:
        assert (tmp_path / name).read_text() == (folder / "reference" / name).read_text(), "run: accelsim docs"
    commands = (folder / "reference" / "cli.md").read_text()
    assert "## `accelsim sweep run`" in commands and "`--objective` | edp, energy, latency | `edp`" in commands


def test_every_key_of_a_report_is_documented(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the other way round: every documented key occurs."""
    monkeypatch.chdir(tmp_path)
    machine = (root / "arch_configs" / "edge_os_32x32.yaml").read_text(encoding="utf-8")
    queues = machine.replace("\ndram:\n", "\ndram:\n  arbitration: round_robin\n")
    Path("queues.yaml").write_text(queues, encoding="utf-8")
    used: set[str] = set()
    for arch, model, more in (
        ("eyeriss", "mlp", " --what-if"),
        ("edge_os_32x32_lpddr4", "mlp", ""),
        ("shidiannao", "resnet20", ""),
        ("edge_os_32x32", "resnet20", ""),
        ("tpu_v4i", "mlp", " --objective energy"),
        ("nvdla_full", "squeezenet1_1", ""),
        ("queues.yaml", "mlp", " --max-events 100000"),
    ):
        printed(f"accelsim run --arch {arch} --model {model} --out of_{arch}{more}", monkeypatch, capsys)
        for path in set(paths_of(json.loads(Path(f"of_{arch}", "report.json").read_text()))):
            key = meaning(path)
            assert key is not None, ".".join(path)
            used.add(key)
    assert set(keys()) == used
