"""Reads columns of a Parquet file under a memory limit, and discards them.

`memory_limit` runs this in a process, to find out whether the columns can be read.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from evals.traces.files.tables import choose_batch_size, iterate_batches, open_parquet

MAX_BYTES = 2**30
"""Of the whole process."""


def main() -> None:
    """Reads the columns of a file as an import would."""
    path, columns = Path(sys.argv[1]), sys.argv[2:]
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_BYTES, MAX_BYTES))
    with open_parquet(path) as file:
        for group in range(file.num_row_groups):
            size = choose_batch_size(path, file, group)
            for _ in iterate_batches(file, group, size, columns):
                pass


if __name__ == "__main__":
    main()
