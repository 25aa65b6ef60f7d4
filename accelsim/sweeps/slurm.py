"""A Slurm job array of a sweep: one shard per task."""

from __future__ import annotations

from shlex import quote


def script(sweep: str, name: str, folder: str, shards: int, workers: int) -> str:
    """The job script: `sbatch` it, then merge.

    >>> print(script("s.yaml", "s", "out", 4, 2).splitlines()[2])
    #SBATCH --array=0-3
    """
    out = quote(folder)
    return f"""#!/bin/sh
#SBATCH --job-name=accelsim-{name}
#SBATCH --array=0-{shards - 1}
#SBATCH --cpus-per-task={workers}
#SBATCH --requeue
# A task that is run again goes on where it was ended. When all are done:
#   accelsim sweep merge {out} {out}/shard-*
export XDG_CACHE_HOME="${{XDG_CACHE_HOME:-${{TMPDIR:-/tmp}}/accelsim-$SLURM_JOB_ID}}"
exec accelsim sweep shard {quote(sweep)} --index "$SLURM_ARRAY_TASK_ID" --of {shards} \\
  --out {out}/shard-"$SLURM_ARRAY_TASK_ID" --workers "$SLURM_CPUS_PER_TASK"
"""
