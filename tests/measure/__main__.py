"""`python -m tests.measure`: prints each table's rows, one JSON object a line."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

from tests.measure.data import DATA, NoDataError

TABLES = (
    "extraction",
    "guardrails",
    "refusal",
    "hallucination",
    "realign",
    "summaries",
    "summary_judges",
    "pairs",
)
"""Modules of this folder, in the order of the documentation."""


def main() -> None:
    """Prints every table, or one."""
    parser = argparse.ArgumentParser(prog="python -m tests.measure", description=__doc__)
    parser.add_argument("--only", choices=TABLES, help="one table")
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of labelled data")
    given = parser.parse_args()
    for table in (given.only,) if given.only else TABLES:
        try:
            for row in importlib.import_module(f"tests.measure.{table}").measure(given.data):
                print(json.dumps({"table": table, **row}), flush=True)  # noqa: T201
        except NoDataError as error:
            print(f"{table}: skipped, {error}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
