"""A trial reading of columns whose texts no file tells the size of, in bounded memory.

Texts within lists of which only the differences are kept (DELTA_BYTE_ARRAY) may unpack to a
thousand times their file, and one row cannot be read in parts. Another process with a limit reads
them first: what is too much ends that one, not the night. macOS knows no such limit.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

MOST = 2**30
"""Bytes the trial may hold, itself included."""


def fits(path: Path, columns: list[str]) -> bool:
    """Whether some columns of a Parquet file can be read within the limit."""
    quiet = {"ARROW_DEFAULT_MEMORY_POOL": "system", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", "from evals.traces.files.trial_reading import main; main()"]
    done = subprocess.run(
        [*command, str(path), *columns], env=os.environ | quiet, stderr=subprocess.DEVNULL
    )
    return done.returncode == 0


def main() -> None:
    """Reads the columns of a file, as an import would, and keeps nothing."""
    from evals.traces.files.tables import batch_rows, parquet_file

    path, columns = Path(sys.argv[1]), sys.argv[2:]
    resource.setrlimit(resource.RLIMIT_DATA, (MOST, MOST))
    with parquet_file(path) as file:
        for group in range(file.num_row_groups):
            size = batch_rows(path, file, group)
            for _ in file.iter_batches(
                size, row_groups=[group], columns=columns, use_threads=False
            ):
                pass
