"""A process that runs untrusted SQL on a small fixture, one query a line of JSON.

`python -m evals.evaluators.sql_worker` reads requests and writes rows; `sql_runs` starts it, and
ends it where a query takes too long. DuckDB may open no file, no network and no extension, and
neither a query nor the fixture can change that.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from evals.worker_process import serve_requests

if TYPE_CHECKING:
    import duckdb

MEMORY_MB = 256
PROCESS_MB = 2048
"""Of address space, most of which is code and reserved: DuckDB's own limit comes first."""
LONGEST_S = 120
"""A query that nobody waits for any more ends by itself."""
MAX_ROWS = 5_000
MAX_BYTES = 2_000_000
SETTINGS = (
    "set enable_external_access = false",
    "set autoinstall_known_extensions = false",
    "set autoload_known_extensions = false",
    "set allow_community_extensions = false",
    f"set memory_limit = '{MEMORY_MB}MB'",
    "set max_temp_directory_size = '0B'",
    "set threads = 1",
    "set lock_configuration = true",
)


def open_fixture(setup: str) -> duckdb.DuckDBPyConnection:
    """Opens a database in memory without access to anything else, and fills it."""
    import duckdb

    connection = duckdb.connect(":memory:")
    for setting in SETTINGS:
        connection.execute(setting)
    if setup.strip():
        connection.execute(setup)
    return connection


def run_query(setup: str, query: str) -> dict[str, object]:
    """Runs a query on a fresh fixture; returns its columns and rows, or its error.

    Values are texts, so that dates and decimals survive; null stays null.
    """
    try:
        connection = open_fixture(setup)
    except Exception as error:
        return {"setup_error": describe(error)}
    try:
        with connection:
            cursor = connection.execute(query)
            names = [column[0] for column in cursor.description or ()]
            rows = cursor.fetchmany(MAX_ROWS + 1)
    except Exception as error:
        kind = "limit" if type(error).__name__ == "OutOfMemoryException" else "error"
        return {kind: describe(error)}
    if len(rows) > MAX_ROWS:
        return {"limit": f"more than {MAX_ROWS:,} rows"}
    values = [[None if value is None else write_value(value) for value in row] for row in rows]
    if sum(len(value or "") for row in values for value in row) > MAX_BYTES:
        return {"limit": f"more than {MAX_BYTES:,} characters"}
    return {"columns": names, "rows": values}


def write_value(value: object) -> str:
    """Writes a value as text; a number by its amount, to 12 digits where it is no integer."""
    if isinstance(value, float | Decimal) and math.isfinite(value):
        return f"{Decimal(f'{value:.12g}').normalize():f}"
    return str(value)


def describe(error: Exception) -> str:
    """Returns an error's first line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def answer_request(request: dict[str, Any]) -> dict[str, object]:
    """Answers a request to run a query."""
    return run_query(str(request["setup"]), str(request["query"]))


if __name__ == "__main__":
    serve_requests(answer_request, PROCESS_MB, LONGEST_S)
