"""What was taken out of a night's traces at the door, counted by rule.

The counts are those the door noted on each trace; what is taken out, and why, is `privacy`'s.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import date
from typing import Any

from evals.privacy.detectors import DETECTORS
from evals.privacy.redaction import REDACTED, USER_ID
from evals.storage.lake import Lake, connection, parquet

RULES = {*DETECTORS, USER_ID}
"""A trace may bring a note of the same name: no other rule is believed."""
COUNTS_SQL = f"""
    select app, json_extract(metadata, '$.{REDACTED}') as taken, count(*)
    from traces where contains(metadata, '"{REDACTED}"') group by all
"""  # noqa: S608  a constant


def count_redactions(lake: Lake, night: date) -> dict[str, dict[str, Any]]:
    """For each application: traces that had something taken out, and by which rule how often."""
    with connection() as db:
        parquet(db, lake.files("traces", [night])).create_view("traces")
        rows = db.sql(COUNTS_SQL).fetchall()
    traces: Counter[str] = Counter()
    places: dict[str, Counter[str]] = defaultdict(Counter)
    having: dict[str, Counter[str]] = defaultdict(Counter)
    for app, text, n in rows:
        taken = select_rules(json.loads(text or "null"))
        traces[app] += n if taken else 0
        for rule, count in taken.items():
            places[app][rule] += n * count
            having[app][rule] += n
    return {
        app: {
            "traces": traces[app],
            "rules": [
                {"rule": rule, "traces": having[app][rule], "places": count}
                for rule, count in sorted(places[app].items())
            ],
        }
        for app in places
    }


def select_rules(taken: Any) -> dict[str, int]:
    """The rules of ours in a note, each with how often it was used."""
    if not isinstance(taken, dict):
        return {}
    return {rule: n for rule, n in taken.items() if rule in RULES and type(n) is int and n > 0}
