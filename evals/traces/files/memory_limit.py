"""Whether columns whose texts no file tells the size of can be read within bounded memory.

Texts within lists of which only the differences are kept (DELTA_BYTE_ARRAY) may unpack to a
thousand times their file, and one row cannot be read in parts. Another process with a limit reads
them first: what is too much ends that one, not the night. macOS knows no such limit.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def fits_in_memory(path: Path, columns: list[str]) -> bool:
    """Whether some columns of a Parquet file can be read within the limit."""
    quiet = {"ARROW_DEFAULT_MEMORY_POOL": "system", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "evals.traces.files.trial_reading"]
    done = subprocess.run(
        [*command, str(path), *columns], env=os.environ | quiet, stderr=subprocess.DEVNULL
    )
    return done.returncode == 0
