"""Counts the redactions in a night's traces, by rule.

Sums the counts in each trace's metadata; what is redacted is decided in `privacy`.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import date

from evals.privacy.detectors import DETECTORS
from evals.privacy.redaction import USER_ID
from evals.privacy.row_filter import REDACTED
from evals.records import Json
from evals.storage.documents.accounts import Redactions
from evals.storage.lake import Lake
from evals.storage.queries import open_duckdb, read_parquet_files

RULES = {*DETECTORS, USER_ID}
"""An exported trace may have metadata of the same name: only these rules are counted."""
COUNTS_SQL = f"""
    select app, json_extract(metadata, '$.{REDACTED}') as redacted, count(*)
    from traces where contains(metadata, '"{REDACTED}"') group by all
"""  # noqa: S608  a constant


def count_redactions(lake: Lake, night: date) -> dict[str, Redactions]:
    """Counts for each application the redacted traces, and the redactions by rule."""
    with open_duckdb() as db:
        read_parquet_files(db, lake.list_files("traces", [night])).create_view("traces")
        rows = db.sql(COUNTS_SQL).fetchall()
    traces: Counter[str] = Counter()
    places: dict[str, Counter[str]] = defaultdict(Counter)
    by_rule: dict[str, Counter[str]] = defaultdict(Counter)
    for app, text, n in rows:
        counts = select_rules(json.loads(text or "null"))
        traces[app] += n if counts else 0
        for rule, count in counts.items():
            places[app][rule] += n * count
            by_rule[app][rule] += n
    return {
        app: {
            "traces": traces[app],
            "rules": [
                {"rule": rule, "traces": by_rule[app][rule], "places": count}
                for rule, count in sorted(places[app].items())
            ],
        }
        for app in places
    }


def select_rules(counts: Json) -> dict[str, int]:
    """Returns the counts of our own rules in a trace's metadata."""
    if not isinstance(counts, dict):
        return {}
    return {rule: n for rule, n in counts.items() if rule in RULES and type(n) is int and n > 0}
