"""Finding machines and networks by name, from any folder, shipped and user's own alike.

Order: the path as given; each folder of the environment variable ACCELSIM_PATH; the checkout next to the package; the
copy inside the installed package. A network is a Python file with `build(batch=1, **params) -> LayerGraph`; a literal
`VARIANTS = {"name": {param: value}}` in it offers names with parameters, `name:param=value,...` sets them. Or it is an
ONNX file, by path or by name in one of the folders. The path of a SCALE-Sim `.cfg` is a machine, too, that of a
SCALE-Sim topology `.csv` a network.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import os
import sys
import traceback
import types
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from accelsim.arch import Accelerator
from accelsim.energy import presets, table
from accelsim.errors import AccelsimError, InputError, nearest
from accelsim.graph import LayerGraph
from accelsim.timing.scalesim import ScaleLayer

PACKAGE = Path(__file__).resolve().parent
ARCHS, MODELS = "arch_configs", "workloads"


@dataclass(frozen=True)
class Found:
    """A file that was looked up: bare file name (never a path), its text and hash; `uses` are files it names."""

    shown: str
    path: Path
    text: str
    digest: str = ""
    uses: tuple[Found, ...] = ()

    @property
    def sha256(self) -> str:
        """Hash of the text (or of a binary file's bytes)."""
        return self.digest or hashlib.sha256(self.text.encode()).hexdigest()


def folders(kind: str) -> list[Path]:
    """Where files of a kind are looked for, first match wins: ACCELSIM_PATH, the checkout, the shipped copy."""
    found = []
    for entry in os.environ.get("ACCELSIM_PATH", "").split(os.pathsep):
        if entry:
            found += [Path(entry), Path(entry) / kind]
    checkout = PACKAGE.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / kind).is_dir():
        found.append(checkout / kind)
    found.append(PACKAGE / "_data" / kind)
    return [folder for folder in found if folder.is_dir()]


def _files(kind: str, suffix: str) -> dict[str, Path]:
    """Files by stem, earlier folders winning."""
    found: dict[str, Path] = {}
    for folder in folders(kind):
        for path in sorted(folder.glob(f"*{suffix}")):
            if not path.name.startswith("_"):
                found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def _read(path: Path, shown: str) -> Found:
    try:
        return Found(path.name, path, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"cannot read {shown}: {reason}") from None


def list_archs() -> dict[str, Path]:
    """Machines by name."""
    return _files(ARCHS, ".yaml")


def find_arch(name: str) -> Found:
    """The YAML of a machine, by path or by name with or without `.yaml`."""
    given = Path(name)
    if given.is_file():
        return _read(given, name)
    known = list_archs()
    stem = given.stem if given.suffix == ".yaml" else name
    if given.parent == Path() and stem in known:
        return _read(known[stem], name)
    if given.parent != Path():
        raise InputError(f"no machine file {name!r}; give a YAML file that exists, or a name: {', '.join(known)}")
    raise InputError(f"no machine {name!r}; {nearest(stem, known)}")


def load_arch(name: str, energy: str = "") -> tuple[Accelerator, Found]:
    """A machine by path or name, and its file; `energy` is a preset or file that replaces all its energies."""
    from accelsim.formats.arch_yaml import load_accelerator

    found = find_arch(name)
    used: list[Found] = []

    def beside(given: str) -> table.Model:
        model, files = load_energy_model(given, found.path.parent)
        used.extend(files)
        return model

    if found.path.suffix == ".cfg":
        from accelsim.formats.scalesim import read_cfg, to_accelerator

        machine = to_accelerator(read_cfg(found.text, found.shown), found.path.stem)
    else:
        machine = load_accelerator(found.text, found.shown, beside)
    if energy:
        used.clear()
        model, files = load_energy_model(energy, Path())
        used.extend(files)
        machine = table.apply(machine, model)
    return machine, replace(found, uses=tuple(used))


def load_energy_model(name: str, folder: Path) -> tuple[table.Model, tuple[Found, ...]]:
    """An energy preset by name, or a table or ERT from a file, and the files read; paths start at `folder`.

    Raises:
        InputError: neither a preset nor a file, or a wrong file.
    """
    if name in presets.PRESETS:
        return name, ()
    from accelsim.formats.energy_yaml import load_energy

    path = folder / name
    if not path.is_file():
        hint = "no such file" if path.suffix in (".yaml", ".yml") else nearest(name, presets.PRESETS)
        raise InputError(f"no energy preset or file {name!r}; {hint}")
    files = [_read(path, path.name)]

    def beside(given: str) -> str:
        other = path.parent / given
        files.append(_read(other, given))
        return files[-1].text

    return load_energy(files[0].text, files[0].shown, beside), tuple(files)


def sources_of(*files: Found) -> dict[str, str]:
    """Hashes by file name, of the files and of those that they name."""
    return {f.shown: f.sha256 for file in files for f in (file, *file.uses)}


@dataclass(frozen=True)
class ModelEntry:
    """A network that can be named: its file, the parameters of the variant, the first line of the file's docstring."""

    name: str
    path: Path
    params: dict[str, Any]
    summary: str


def _entries(path: Path) -> list[ModelEntry]:
    """Variants of a workload file, read without running it."""
    if path.suffix == ".onnx":
        return [ModelEntry(path.stem, path, {}, "ONNX file")]
    text = _read(path, path.name).text
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise InputError(f"{path.name}:{error.lineno}: {error.msg}") from None
    summary = (ast.get_docstring(tree) or "").split("\n")[0]
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "VARIANTS" for t in node.targets):
            try:
                variants = ast.literal_eval(node.value)
                return [ModelEntry(str(name), path, dict(params), summary) for name, params in variants.items()]
            except (ValueError, TypeError, AttributeError):
                raise InputError(
                    f"{path.name}:{node.lineno}: VARIANTS must be a literal dict of name: {{parameter: value}}"
                ) from None
    return [ModelEntry(path.stem, path, {}, summary)]


def list_models() -> dict[str, ModelEntry]:
    """Networks by name."""
    found: dict[str, ModelEntry] = {}
    for path in [*_files(MODELS, ".py").values(), *_files(MODELS, ".onnx").values()]:
        for entry in _entries(path):
            found.setdefault(entry.name, entry)
    return dict(sorted(found.items()))


def _params(text: str, spec: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise InputError(f"model {spec!r}: {part!r}, expected parameter=value")
        try:
            found[key.strip()] = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            found[key.strip()] = value.strip()
    return found


def find_model(spec: str) -> tuple[ModelEntry, dict[str, Any]]:
    """The entry that `name[:param=value,...]` or `path/file.py[:...]` names, and the parameters given."""
    name, _, text = spec.partition(":")
    given = _params(text, spec)
    path = Path(name)
    if path.suffix in (".py", ".onnx", ".csv"):
        if path.is_file():
            return ModelEntry(path.stem, path, {}, ""), given
        raise InputError(
            f"no file {name!r}; give a Python, ONNX or topology file that exists, or a name of `accelsim models`"
        )
    known = list_models()
    if name not in known:
        raise InputError(f"no model {name!r}; {nearest(name, known)}")
    return known[name], given


def _run_file(found: Found) -> Any:
    """Execute a workload file as a module of its own and return its `build`."""
    module = types.ModuleType(f"accelsim_workload_{found.path.stem}")
    module.__file__ = str(found.path)
    try:
        exec(compile(found.text, found.shown, "exec"), module.__dict__)
    except AccelsimError as error:
        raise InputError(f"{found.shown}: {error}") from None
    except Exception as error:
        raise InputError(_blame(found, error)) from None
    build = getattr(module, "build", None)
    if not callable(build):
        raise InputError(f"{found.shown}: defines no function build(batch=1, ...) that returns a LayerGraph")
    return build


def _blame(found: Found, error: Exception) -> str:
    """One line naming the file, the line in it and what was raised."""
    lines = [f.lineno for f in traceback.extract_tb(sys.exc_info()[2]) if f.filename == found.shown]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    place = f"{found.shown}:{line}" if line else found.shown
    return f"{place}: {type(error).__name__}: {' '.join(str(error).split())}"


def _as_text(build: Any, params: dict[str, Any]) -> dict[str, Any]:
    """Numbers given for parameters that are text (`version=1.1`) as text."""
    signature = inspect.signature(build).parameters
    texts = {name for name in params if name in signature and isinstance(signature[name].default, str)}
    return {name: str(v) if name in texts and isinstance(v, int | float) else v for name, v in params.items()}


def _check_params(build: Any, params: dict[str, Any], shown: str) -> None:
    signature = inspect.signature(build)
    known = [name for name in signature.parameters if name != "batch"]
    for name, value in params.items():
        if name not in known:
            hint = nearest(name, known) if known else "it takes none"
            raise InputError(f"{shown}: build has no parameter {name!r}; {hint}")
        default = signature.parameters[name].default
        if default is inspect.Parameter.empty or default is None:
            continue
        fits = isinstance(value, type(default)) and isinstance(value, bool) == isinstance(default, bool)
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            fits = True
        if not fits or (isinstance(value, float) and value != value):
            raise InputError(f"{shown}: {name}={value!r}, expected a value like {default!r} ({type(default).__name__})")


Shapes = dict[str, tuple[int, ...]]


def _load_onnx(path: Path, params: dict[str, Any], batch: int, shapes: Shapes) -> tuple[LayerGraph, Found]:
    """An ONNX file; its batch is what its inputs say."""
    from accelsim.formats.onnx_in import from_onnx, read_model

    if params:
        raise InputError(f"{path.name}: an ONNX file takes no parameters, given {', '.join(params)}")
    model, digest = read_model(path, path.name)
    graph = from_onnx(model, path.stem, shapes=shapes, shown=path.name)
    if batch not in (1, graph.batch):
        first = graph.inputs[0] if graph.inputs else None
        hint = f"; give --input-shape {first.name}={'x'.join(map(str, (batch, *first.shape[1:])))}" if first else ""
        raise InputError(f"{path.name}: batch {batch}, the file's inputs have {graph.batch}{hint}")
    return graph, Found(path.name, path, "", digest)


def load_rows(spec: str, gemm: bool = False) -> dict[str, tuple[ScaleLayer, ...]] | None:
    """What SCALE-Sim runs for each layer of a topology `.csv`, by name; None for other networks."""
    from accelsim.formats.scalesim import read_topology, rows_of

    path = find_model(spec)[0].path
    if path.suffix != ".csv":
        return None
    return rows_of(read_topology(_read(path, path.name).text, path.name, gemm))


def _load_topology(path: Path, params: dict[str, Any], batch: int, gemm: bool) -> tuple[LayerGraph, Found]:
    from accelsim.formats.scalesim import graph_of, read_topology

    if params:
        raise InputError(f"{path.name}: a topology takes no parameters, given {', '.join(params)}")
    if batch != 1:
        raise InputError(f"{path.name}: batch {batch}; a SCALE-Sim topology has one image")
    found = _read(path, path.name)
    return graph_of(read_topology(found.text, found.shown, gemm), path.stem), found


def load_model(spec: str, batch: int = 1, shapes: Shapes | None = None, gemm: bool = False) -> tuple[LayerGraph, Found]:
    """The network that a spec names, and its file; `shapes` of inputs are for ONNX files with free dims, `gemm` is for
    topologies whose rows are matrix products.

    Raises:
        InputError: unknown name or parameter, or whatever the file raised, with its line.
    """
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise InputError(f"batch {batch!r}, expected a whole number of at least 1")
    entry, given = find_model(spec)
    if entry.path.suffix == ".onnx" and not gemm:
        return _load_onnx(entry.path, given, batch, shapes or {})
    if entry.path.suffix == ".csv" and not shapes:
        return _load_topology(entry.path, given, batch, gemm)
    if gemm:
        raise InputError(
            f"{entry.path.name}: --gemm is for SCALE-Sim topologies (.csv), whose rows it says how to read"
        )
    if shapes:
        raise InputError(
            f"{entry.path.name}: input shapes are for ONNX files; use parameters, as in {entry.name}:size=64"
        )
    found = _read(entry.path, entry.path.name)
    build = _run_file(found)
    params = _as_text(build, {**entry.params, **given})
    _check_params(build, params, found.shown)
    try:
        graph = build(batch=batch, **params)
    except AccelsimError as error:
        raise InputError(f"{found.shown}: {error}") from None
    except Exception as error:
        raise InputError(_blame(found, error)) from None
    if not isinstance(graph, LayerGraph):
        raise InputError(f"{found.shown}: build returned {type(graph).__name__}, expected a LayerGraph (net.build(x))")
    return graph, found
