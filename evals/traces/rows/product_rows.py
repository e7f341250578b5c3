"""Parses the rows of other systems' exports, of which one may hold many traces.

A flaw costs no more than the value it is in. Rows of our own format are `canonical`'s business.
"""

from __future__ import annotations

from collections.abc import Callable

from evals.records import Json
from evals.traces.files.broken_rows import check_row
from evals.traces.files.lenient_json import repair_object
from evals.traces.files.streams import Line
from evals.traces.files.strict_json import Refused, parse_line
from evals.traces.rows.canonical import Reading

ParseRow = Callable[[bytes], dict[str, Json]]


def parse_product_row(
    line: Line, reading: Reading, parse: ParseRow = parse_line
) -> dict[str, Json]:
    """Parses the object of a row; notes the values that have a flaw, by key.

    Raises:
        Refused: The row is not whole, or no JSON of an object.
    """
    raw = check_row(line)
    try:
        return parse(raw)
    except Refused as problem:
        repaired = repair_object(raw)
        if repaired is None:
            raise problem from None
    for key, example in repaired.flaws.items() if reading.share.reports_row(line.number) else ():
        reading.notes.add_unread(key, line.number, example)
    return repaired.value
