"""The wheel: installs into a clean environment, finds its data from another folder, leaves nothing but itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from accelsim.lookup import list_archs


@pytest.fixture(scope="module", params=["tree", "sdist"])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(site-packages of a clean environment with only the wheel, its python); the wheel is built from the tree or from
    the source distribution."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    root = Path(__file__).resolve().parents[2]
    shutil.copytree(
        root, source, ignore=shutil.ignore_patterns(".git", ".venv", "*-out", "__pycache__", ".*_cache", ".hypothesis")
    )
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build_from = source
    if request.param == "sdist":
        command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder)]
        subprocess.run(command, cwd=source, check=True, capture_output=True)
        (build_from,) = folder.glob("*.tar.gz")
    wheel_command = [*pip, "wheel", "-q", "--no-build-isolation", "--no-deps", "-w", str(folder), str(build_from)]
    subprocess.run(wheel_command, check=True)
    shutil.rmtree(source)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    (wheel,) = folder.glob("*.whl")
    python = folder / "venv" / "bin" / "python"
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([python, "-c", query], check=True, capture_output=True, text=True).stdout.strip())
    subprocess.run([*pip, "--python", str(python), "install", "-q", "--no-deps", str(wheel)], check=True)
    return site, python


def test_only_the_package_lands(installed: tuple[Path, Path]) -> None:
    site, _ = installed
    names = {path.name for path in site.iterdir() if path.name != "__pycache__"}
    assert names == {"accelsim", "accelsim-0.1.0.dist-info"}


def test_it_runs_from_another_folder(installed: tuple[Path, Path], tmp_path: Path) -> None:
    """Dependencies come from the environment that runs the tests; accelsim itself must be the installed one."""
    site, python = installed
    dependencies = tmp_path / "dependencies"
    dependencies.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "accelsim" not in path.name and not path.name.endswith(".pth"):
            (dependencies / path.name).symlink_to(path)
    env = {**os.environ, "PYTHONPATH": str(dependencies)}
    where = subprocess.run(
        [python, "-c", "import accelsim; print(accelsim.__file__)"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(site))
    command = [str(python), "-m", "accelsim", "run", "--arch", "eyeriss.yaml", "--model", "mlp", "--json", "-"]
    result = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["totals"]["macs"] == 266200
    listed = subprocess.run(
        [str(python), "-m", "accelsim", "archs", "--json", "-"], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert {a["name"] for a in json.loads(listed.stdout)["archs"]} == set(list_archs())
