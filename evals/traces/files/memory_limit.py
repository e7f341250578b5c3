"""Checks whether columns whose unpacked size is unknown can be read within bounded memory.

Texts within lists that are stored as differences (DELTA_BYTE_ARRAY) may unpack to a thousand
times their file, and one row cannot be read in parts. A process with a memory limit reads them
first: too much memory ends that process, not the night. macOS has no such limit.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def fits_in_memory(path: Path, columns: list[str]) -> bool:
    """Returns whether some columns of a Parquet file can be read within the limit."""
    quiet = {"ARROW_DEFAULT_MEMORY_POOL": "system", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "evals.traces.files.trial_reading"]
    done = subprocess.run(
        [*command, str(path), *columns], env=os.environ | quiet, stderr=subprocess.DEVNULL
    )
    return done.returncode == 0
