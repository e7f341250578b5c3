"""Builds Arrow arrays of Python values from buffers.

`pyarrow.array` imports pandas, to detect a pandas series: 68 MB and half a second in every process
that writes a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAYS = EPOCH.date().toordinal()
MICROSECOND = timedelta(microseconds=1)
MAX_BYTES = 2**31 - 1
"""The most bytes of a text column with offsets of 32 bits."""


def build_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array[Any]:
    """Returns values and nulls as an Arrow array of one of the types of the lake's tables."""
    import numpy as np
    import pyarrow as pa

    present = [value is not None for value in values]
    gaps = (
        None
        if all(present)
        else pa.py_buffer(np.packbits(np.array(present, bool), bitorder="little").tobytes())
    )
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return build_text_array(values, kind, gaps)
    if pa.types.is_boolean(kind):
        flags = np.array([bool(value) for value in values], bool)
        bits = np.packbits(flags, bitorder="little")
        return pa.Array.from_buffers(kind, len(values), [gaps, pa.py_buffer(bits.tobytes())])
    if pa.types.is_timestamp(kind):
        numbers, width = [count_microseconds(value) for value in values], "int64"
    elif pa.types.is_date32(kind):
        numbers, width = [count_days(value) for value in values], "int32"
    else:
        numbers = [0 if value is None else value for value in values]
        width = "float64" if pa.types.is_floating(kind) else "int64"
    data = pa.py_buffer(np.array(numbers, width).tobytes())
    return pa.Array.from_buffers(kind, len(values), [gaps, data])


def build_text_array(
    values: Sequence[Any], kind: pa.DataType, gaps: pa.Buffer | None
) -> pa.Array[Any]:
    """Returns an array of texts or bytes."""
    import numpy as np
    import pyarrow as pa

    parts = [value.encode() if type(value) is str else value or b"" for value in values]
    offsets = np.zeros(len(parts) + 1, "int64")
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    if offsets[-1] > MAX_BYTES:
        raise ValueError(f"{offsets[-1]:,} bytes in one column: write fewer rows at a time")
    buffers = [gaps, pa.py_buffer(offsets.astype("int32").tobytes()), pa.py_buffer(b"".join(parts))]
    return pa.Array.from_buffers(kind, len(parts), buffers)


def count_microseconds(value: datetime | None) -> int:
    """Returns the microseconds since 1970; 0 for none."""
    return 0 if value is None else (value - EPOCH) // MICROSECOND


def count_days(value: date | None) -> int:
    """Returns the days since 1970; 0 for none."""
    return 0 if value is None else value.toordinal() - DAYS
