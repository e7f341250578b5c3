"""What became of a night's rows, as its report says it: whole, by reason, by file, by rule.

Counts alone. They are kept at the door; where a file lies is `lake`'s to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

FOUR = ("read", "accepted", "duplicate", "quarantined")


def accounting(given: Mapping[str, Any]) -> dict[str, Any]:
    """Rows read = accepted + duplicate + quarantined, whole and of each file that fed the night.

    `corrected` are the duplicates whose content a later file replaced, `merged` those that a
    later file had more of; a night without any, or without late traces, does not speak of them.
    """
    reasons = sorted(given.get("reasons", ()), key=lambda r: (-r["count"], r["code"]))
    counts: dict[str, Any] = {name: int(given.get(name, 0)) for name in FOUR}
    counts["reasons"] = [{"code": r["code"], "count": int(r["count"])} for r in reasons]
    for name in ("corrected", "merged"):
        if given.get(name):
            counts[name] = int(given[name])
    if given.get("late"):
        late = sorted(given["late"], key=lambda r: r["seen"])
        counts["late"] = [{key: r[key] for key in ("seen", "late", "corrected")} for r in late]
    if given.get("files"):
        counts["files"] = files(given["files"])
    if given.get("redacted") is not None:
        counts["redacted"] = redacted(given["redacted"])
    return counts


def files(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The account of each file, by name; `unplaced` are rows of it that no night can claim."""
    return [
        {
            **{key: row[key] for key in ("file", "sha")},
            **{key: int(row[key]) for key in FOUR},
            **({"unplaced": int(row["unplaced"])} if row.get("unplaced") else {}),
        }
        for row in sorted(rows, key=lambda row: (row["file"], row["sha"]))
    ]


class Listing(NamedTuple):
    """The files a page names, and what all others come to."""

    files: list[Mapping[str, Any]]
    others: int
    rest: dict[str, int]


def listing(rows: Sequence[Mapping[str, Any]], most: int) -> Listing:
    """At most so many files: those that lost most rows first, then the largest."""
    ordered = sorted(
        rows,
        key=lambda row: (-row["quarantined"] - row.get("unplaced", 0), -row["read"], row["file"]),
    )
    shown, others = ordered[:most], ordered[most:]
    return Listing(shown, len(others), {key: sum(row[key] for row in others) for key in FOUR})


def redacted(found: Mapping[str, Any]) -> dict[str, Any]:
    """How many accepted traces had something taken out, and how often by which rule."""
    rules = sorted(found["rules"], key=lambda row: (-row["traces"], row["rule"]))
    keys = ("rule", "traces", "places")
    return {"traces": found["traces"], "rules": [{key: row[key] for key in keys} for row in rules]}
