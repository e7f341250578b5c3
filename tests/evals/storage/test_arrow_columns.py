"""Promises of Arrow arrays: equal to those of pyarrow, and built without pandas."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from evals.storage.arrow_columns import build_array

VALUES = {
    pa.string(): st.text(st.characters(exclude_categories=["Cs"])),
    pa.binary(): st.binary(),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(allow_nan=False),
    pa.bool_(): st.booleans(),
    pa.date32(): st.dates(date(1, 1, 1)),
    pa.timestamp("us", tz="UTC"): st.datetimes(datetime(1, 1, 1), timezones=st.just(UTC)),
}


@given(st.data())
def test_an_array_equals_the_one_pyarrow_builds(data: st.DataObject) -> None:
    """Of nulls, empty lists and every type of the lake's tables."""
    kind = data.draw(st.sampled_from(list(VALUES)))
    values = data.draw(st.lists(st.none() | VALUES[kind]))
    assert build_array(values, kind).equals(pa.array(values, kind))


def test_a_process_that_writes_rows_does_not_import_pandas() -> None:
    """Importing pandas would take half a second and 68 MB."""
    code = (
        "import sys, pyarrow as pa; from evals.storage.arrow_columns import build_array;"
        "build_array(['a', None], pa.string()); assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
