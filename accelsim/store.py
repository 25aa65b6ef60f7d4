"""Writing results, whole or not at all, and reading the reference figures that come with the package."""

from __future__ import annotations

import os
import tempfile
from hashlib import sha256
from importlib import resources
from pathlib import Path

from accelsim.errors import InputError


def prepare(folder: Path) -> None:
    """Make the output folder and see that it can be written, before any work is done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, prefix=".accelsim-")
        os.close(handle)
        Path(name).unlink()
    except OSError as error:
        raise InputError(f"cannot write to the output folder {folder}: {error.strerror or error}") from None


def reference_text(name: str) -> str:
    """A reference file that validations compare with (`accelsim/validate/data`)."""
    return resources.files("accelsim.validate").joinpath("data", name).read_text(encoding="utf-8")


def user_text(name: str, what: str) -> str:
    """The text of a user's file; `what` it should hold is for the message.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"cannot read {what} {name!r}: {reason}") from None


def write_all(folder: Path, files: dict[str, bytes]) -> list[Path]:
    """Write files into a folder: all are written aside first, then moved into place one by one.

    Raises:
        InputError: the folder cannot be written; nothing is left half-written.
    """
    prepare(folder)
    waiting: list[tuple[Path, Path]] = []
    try:
        for name, data in files.items():
            handle, temporary = tempfile.mkstemp(dir=folder, prefix=".accelsim-")
            waiting.append((Path(temporary), folder / name))
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(temporary).chmod(0o644)
        for temporary_path, final in waiting:
            temporary_path.replace(final)
    except OSError as error:
        for temporary_path, _ in waiting:
            temporary_path.unlink(missing_ok=True)
        raise InputError(f"cannot write to the output folder {folder}: {error.strerror or error}") from None
    return [final for _, final in waiting]


class Lock:
    """A folder held by one process at a time; the system lets go when the process ends, however it ends.

    Raises:
        InputError: another process holds it, or it cannot be written.
    """

    def __init__(self, folder: Path, name: str = ".lock") -> None:
        import fcntl

        prepare(folder)
        self._file = (folder / name).open("a")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise InputError(
                f"{folder} is in use by another accelsim process; wait for it or choose another folder"
            ) from None

    def release(self) -> None:
        """Let go."""
        self._file.close()


def sources_digest() -> str:
    """A digest of the package's source text, the same on every machine that has the same text."""
    here = Path(__file__).parent
    total = sha256()
    for path in sorted(here.rglob("*.py")):
        total.update(f"{path.relative_to(here).as_posix()}\n".encode() + path.read_bytes())
    return total.hexdigest()[:16]
