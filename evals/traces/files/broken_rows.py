"""Refuses rows of a file that are not whole, with the reason and a remedy.

The readers of files set a row's code; what a whole row contains is `rows`' to check.
"""

from __future__ import annotations

from evals.traces.files.streams import BOM, MAX_LINE, Line
from evals.traces.files.strict_json import Refused

BROKEN_ROWS = {
    "line-too-long": f"The row is longer than {MAX_LINE >> 20} MiB; split it, or leave out what "
    "no evaluator reads.",
    "document-too-large": "One element of the document is larger than any request should be; "
    "write a list of traces, or one object a line.",
    "truncated-gzip": "The compressed file ends too early; the rows before this line were read: "
    "fetch the file again.",
    "truncated-json": "The document ends before its last brackets close; the rows before were "
    "read: export it again.",
    "unreadable-file": "The file cannot be read from here on; the rows before this line were "
    "read: fetch it again.",
    "bad-csv": "The row is no CSV; quote cells that hold quotes or newlines.",
    "ragged-row": "The row has another number of cells than the header; quote cells that hold "
    "delimiters or newlines.",
}
"""The reasons for which a row is not whole, by code, and what to do."""


def check_row(line: Line) -> bytes:
    """Returns the bytes of a row.

    Raises:
        Refused: the row is not whole.
    """
    if line.code:
        reason, semicolon, remedy = BROKEN_ROWS[line.code].partition(";")
        detail = f" ({line.problem})" if line.problem else ""
        raise Refused(line.code, f"{reason}{detail}{semicolon}{remedy}")
    return line.raw.removeprefix(BOM) if line.number == 1 else line.raw
