"""The second process that reads a large file and stages its share of the traces.

Started by `parallel_readers`; the first process publishes what it staged.
"""

from __future__ import annotations

import pickle
import sys

from evals.ingest.parallel_readers import ReadTask
from evals.ingest.staging import stage_share


def main() -> None:
    """Reads the task from stdin and writes the result to stdout."""
    task: ReadTask = pickle.load(sys.stdin.buffer)  # noqa: S301  our own process
    sys.stdout.buffer.write(pickle.dumps(stage_share(task)))  # noqa: TID251  to our own process


if __name__ == "__main__":
    main()
