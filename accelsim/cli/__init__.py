"""The command line: thin, and the only place that prints and exits."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from accelsim.cli import (
    bench,
    certify,
    compare,
    docs,
    dram,
    energy,
    gallery,
    map,
    models,
    plot,
    run,
    show,
    sweep,
    timeloop,
    validate,
)
from accelsim.cli.shared import app
from accelsim.errors import AccelsimError

__all__ = [
    "app", "bench", "certify", "compare", "docs", "dram", "energy", "gallery", "main", "map", "models", "plot", "run",
    "show", "sweep", "timeloop", "validate",
]  # fmt: skip

BUG = 70
INTERRUPTED = 130


def _fail(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"error: {message}\n")
    raise SystemExit(code)


def main() -> None:
    """Entry point: exit 0 fine, 1 a check failed, 2 wrong input, 70 a bug of ours, 130 interrupted."""
    try:
        code = typer.main.get_command(app).main(standalone_mode=False)
    except AccelsimError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        raise SystemExit(0) from None
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            sys.stderr.write(f"{error}\n")
            raise SystemExit(2) from None
        if hasattr(error, "format_message"):
            _fail(error.format_message(), 2)
        if type(error).__name__ == "Abort":
            _fail("interrupted", INTERRUPTED)
        import traceback

        traceback.print_exc()
        _fail(f"this is a bug in accelsim: {type(error).__name__}: {error}; please report it with the lines above", BUG)
    if code == INTERRUPTED:
        _fail("interrupted", INTERRUPTED)
    raise SystemExit(code if isinstance(code, int) else 0)
