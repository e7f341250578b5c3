"""The second process that reads a large file: stages its share of the traces aside.

Started by `parallel_readers`, which puts what it staged in place.
"""

from __future__ import annotations

import pickle
import sys

from evals.ingest.parallel_readers import ReadTask
from evals.ingest.staging import stage_share


def main() -> None:
    """Reads the task that comes in, and writes what was found."""
    task: ReadTask = pickle.load(sys.stdin.buffer)  # noqa: S301  our own process
    sys.stdout.buffer.write(pickle.dumps(stage_share(task)))  # noqa: TID251  to our own process


if __name__ == "__main__":
    main()
