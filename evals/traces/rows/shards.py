"""Divides a file's traces among several readers: each reads all rows and builds its share.

The trace id decides, so that all spans of a trace go to one reader.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple


class Share(NamedTuple):
    """One reader's share of a file: the `at`-th of `of`."""

    at: int = 0
    of: int = 1

    def has_trace(self, trace_id: str) -> bool:
        """Returns whether a trace belongs to this share."""
        if self.of == 1:
            return True
        return zlib.adler32(trace_id.encode("utf-8", "surrogatepass")) % self.of == self.at

    def reports_row(self, line: int) -> bool:
        """Returns whether this share includes a row that belongs to no trace."""
        return line % self.of == self.at


WHOLE = Share()
