"""ONNX files from disk: every way in which they can be broken or hostile ends in one clear error."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from accelsim.errors import InputError

if TYPE_CHECKING:
    from onnx import ModelProto

MOST_BYTES = 2**31


def parse_model(data: bytes, shown: str) -> ModelProto:
    """A ModelProto from bytes.

    Raises:
        InputError: not an ONNX model, or a truncated one.
    """
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    model = ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, ValueError) as error:
        raise InputError(f"{shown}: not an ONNX model, or a truncated one: {error}") from None
    if not model.graph.node:
        raise InputError(f"{shown}: not an ONNX model, or one without nodes")
    if not any(entry.domain in ("", "ai.onnx") for entry in model.opset_import):
        raise InputError(f"{shown}: imports no ai.onnx operator set")
    return model


def _external(model: ModelProto, folder: Path, shown: str) -> int:
    """Check every external tensor: inside the model's folder, there, and long enough; their bytes in total."""
    total = 0
    for tensor in model.graph.initializer:
        if not tensor.external_data:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        where = entries.get("location", "")
        parts = PurePosixPath(where.replace("\\", "/"))
        target = folder / where
        inside = target.resolve().is_relative_to(folder.resolve())
        if not where or parts.is_absolute() or ".." in parts.parts or not inside:
            raise InputError(f"{shown}: tensor {tensor.name!r} lies at {where!r}, outside the model's folder")
        if not target.is_file():
            raise InputError(f"{shown}: tensor {tensor.name!r} needs the file {where!r}, which is not there")
        try:
            offset, length = int(entries.get("offset", "0")), int(entries.get("length", target.stat().st_size))
        except ValueError:
            raise InputError(f"{shown}: tensor {tensor.name!r} has an offset or length that is no number") from None
        if offset < 0 or length < 0 or offset + length > target.stat().st_size:
            raise InputError(f"{shown}: tensor {tensor.name!r} reaches beyond the end of {where!r}")
        total += length
    return total


def read_model(path: Path, shown: str) -> tuple[ModelProto, str]:
    """A ModelProto from a file, external tensors (inside its folder only) included, and the file's SHA-256.

    Raises:
        InputError: unreadable, broken, more than 2 GiB of weights, or external data outside the folder.
    """
    from onnx.external_data_helper import load_external_data_for_model

    try:
        size = path.stat().st_size
        data = path.read_bytes() if size < MOST_BYTES else b""
    except OSError as error:
        raise InputError(f"cannot read {shown}: {error.strerror}") from None
    if size >= MOST_BYTES:
        raise InputError(f"{shown}: {size} bytes, more than the 2 GiB that an ONNX file may have")
    model = parse_model(data, shown)
    total = _external(model, path.parent, shown)
    if total >= MOST_BYTES:
        raise InputError(f"{shown}: {total} bytes of external weights, at most 2 GiB are read")
    if total:
        try:
            load_external_data_for_model(model, str(path.parent))
        except Exception as error:
            raise InputError(f"{shown}: external data cannot be read: {error}") from None
    return model, hashlib.sha256(data).hexdigest()
