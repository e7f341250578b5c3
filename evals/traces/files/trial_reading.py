"""The process that reads columns of a Parquet file under a memory limit, and keeps nothing.

Started by `memory_limit`, which asks whether the columns can be read at all.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from evals.traces.files.tables import choose_batch_size, open_parquet

MOST = 2**30
"""Bytes the trial may hold, itself included."""


def main() -> None:
    """Reads the columns of a file, as an import would, and keeps nothing."""
    path, columns = Path(sys.argv[1]), sys.argv[2:]
    resource.setrlimit(resource.RLIMIT_DATA, (MOST, MOST))
    with open_parquet(path) as file:
        for group in range(file.num_row_groups):
            size = choose_batch_size(path, file, group)
            for _ in file.iter_batches(
                size, row_groups=[group], columns=columns, use_threads=False
            ):
                pass


if __name__ == "__main__":
    main()
