"""`gallery`: the teaching gallery."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from accelsim.cli.shared import Bar, app, say


@app.command()
def gallery(
    out: Annotated[str, typer.Option("--out", "-o", help="Folder to write.")] = "reports/gallery",
) -> None:
    """Write the gallery: every view of a few runs chosen for teaching, with an index."""
    from accelsim.gallery import CAPACITIES_KIB, CASES, gallery_files
    from accelsim.store import prepare, write_all

    prepare(Path(out))
    with Bar("gallery", len(CASES) + len(CAPACITIES_KIB)) as bar:
        files = gallery_files(bar.step)
    write_all(Path(out), files)
    size = sum(len(data) for data in files.values())
    say(f"{len(files)} files, {size / 1e6:.1f} MB in {out}: begin with README.md")
