"""Pages a person reads: the board and a night of an application, each one file of HTML.

Turns report bodies into words, geometry and markup. Computes no rate, interval or verdict.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from evals.reports.accounts import listing
from evals.reports.charts import (
    Report,
    Trend,
    gaps,
    key_of,
    scale,
    series,
    shares,
    trend,
    version_marks,
)
from evals.reports.phrases import (
    day,
    dollars,
    interval,
    listed,
    natural,
    number,
    percent,
    points,
    visible,
)

if TYPE_CHECKING:
    from jinja2 import Environment


verdict_marks: Mapping[str, str] = MappingProxyType(
    {
        "held": "●",
        "slipped": "▼",
        "too close to call": "◐",
        "not measured": "○",
        "refused": "✕",
        "missing": "·",
    }
)
"""The shape of each verdict, the same in the terminal and on pages."""


SHOWN_FILES = 12


SECTIONS: Mapping[str, Any] = MappingProxyType(
    dict.fromkeys(("results", "changes", "causes", "slices", "examples"), ())
    | {
        "agreement": (),
        "attacks": (),
        "errors": (),
        "alarms": (),
        "refusal": None,
        "suite": None,
        "demo": False,
    }
    | {"accounting": {}, "cost": {}, "provenance": {}, "gate": {}}
)
"""What a body without that section means: a refused night has little to say."""


class Cell(NamedTuple):
    """One night of one application on the board."""

    date: str
    verdict: str
    """A key of `verdict_marks`; `missing` where there is no report."""
    href: str | None
    """The night's page, relative to the board; None where its address would not be safe."""
    sentence: str
    changed: tuple[str, ...]
    """What a person should know changed that night: `prompt v2 → v3`."""
    versions: int
    """How many reports the night has; the newest is shown."""


class BoardRow(NamedTuple):
    """One application over all nights of the board, oldest first."""

    app: str
    title: str
    cells: tuple[Cell, ...]
    reports: tuple[Report, ...]
    """Its reports, one a night, oldest first."""


def verdict_of(report: Report) -> str:
    """A report's verdict, `refused` for a night refused at the door."""
    return "refused" if report.get("status") == "refused" else report["verdict"]


def address(report: Report) -> str | None:
    """Where a report's page lies, relative to the board; None unless each part is a plain name."""
    from evals.specs import NAME  # pydantic: the marks alone should cost the terminal nothing

    parts = (report["date"], report["app"], report["version"])
    shapes = (r"\d{4}-\d\d-\d\d", NAME, r"[0-9a-f]{8,64}")
    safe = all(
        re.fullmatch(shape, part, re.ASCII) for shape, part in zip(shapes, parts, strict=True)
    )
    return "/".join((*parts, "index.html")) if safe else None


def board_nights(reports: Iterable[Report]) -> list[str]:
    """Every night that has a report, oldest first."""
    return sorted({report["date"] for report in reports})


def board_rows(reports: Sequence[Report]) -> list[BoardRow]:
    """One row an application, by name; of several reports of a night the last given is shown."""
    nights = board_nights(reports)
    found: dict[str, dict[str, list[Report]]] = defaultdict(lambda: defaultdict(list))
    for report in reports:
        found[report["app"]][report["date"]].append(report)
    rows = []
    for app, by_night in sorted(found.items()):
        shown = [by_night[night][-1] for night in sorted(by_night)]
        marks = dict(zip(sorted(by_night), version_marks(shown), strict=True))
        cells = tuple(
            _cell(night, by_night.get(night, []), marks.get(night, ())) for night in nights
        )
        rows.append(BoardRow(app, shown[-1].get("title") or app, cells, tuple(shown)))
    return rows


def _cell(night: str, reports: Sequence[Report], changed: tuple[str, ...]) -> Cell:
    if not reports:
        return Cell(night, "missing", None, "No report.", (), 0)
    report = reports[-1]
    sentence = report.get("sentence") or verdict_of(report)
    return Cell(night, verdict_of(report), address(report), sentence, changed, len(reports))


def board_sentence(rows: Sequence[BoardRow]) -> str:
    """The board in a sentence, such as `Two of three held last night; extraction slipped`."""
    by_verdict: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        by_verdict[row.cells[-1].verdict].append(row.app)
    held, total = len(by_verdict["held"]), len(rows)
    if total == 1:
        opening = f"{rows[0].title} held last night" if held else ""
    elif held == total:
        opening = f"All {number(total)} held last night"
    else:
        opening = f"{number(held).capitalize()} of {number(total)} held last night"
    phrases = {
        "slipped": "slipped",
        "too close to call": "too close to call",
        "not measured": "not measured",
        "refused": "refused at the door",
        "missing": "without a report",
    }
    others = []
    for verdict, phrase in phrases.items():
        names = by_verdict[verdict]
        verb = "" if verdict == "slipped" else "was " if len(names) == 1 else "were "
        others += [f"{listed(names)} {verb}{phrase}"] if names else []
    when = " last night" if not opening and others else ""
    return "; ".join(filter(None, (opening, *others))) + when + "."


@functools.cache
def environment() -> Environment:
    """Jinja with escaping on everywhere and every printed text made visible."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    filters = (natural, percent, interval, points, dollars, day, listed, number, shares)
    made.filters.update({f.__name__: f for f in filters}, count=lambda n: f"{n:,}")
    made.globals.update(key_of=key_of, verdict_marks=dict(verdict_marks))
    return made


def render_night(
    report: dict[str, Any],
    *,
    history: list[dict[str, Any]],
    provisional_until: str | None = None,
    run: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """The page of a night of an application.

    Args:
        report: the body of its report.json.
        history: earlier bodies of the same application, oldest first.
        provisional_until: the moment up to which rows may still come, where that is to come.
        run: what stands beside the report; of it `pins`, as `render_board` takes them.

    Returns:
        One HTML file that reaches for nothing outside itself but `report.json` beside it and
        the board three folders up.
    """
    body = {**SECTIONS, **report}
    whole = [row for row in body["results"] if row["slice"] == "all"]
    nights = [*history, body]
    trends = {key: series(nights, key) for key in dict.fromkeys(map(key_of, whole))}
    bounds = [v for found in trends.values() for p in found for v in (p.rate, p.low, p.high)]
    span = scale(bounds, 34)
    marks = [(row["low"], row["high"], row["target"], row["estimate_low"], row["estimate_high"],
              row["baseline"] and row["baseline"]["rate"]) for row in whole]  # fmt: skip
    tally = [row["verdict"] for row in whole if row["decides"]]
    return environment().get_template("night.html").render(
        report=body,
        verdict=verdict_of(body),
        own=[row for row in whole if row["kind"] != "recorded"],
        recorded=[row for row in whole if row["kind"] == "recorded"],
        whole=whole,
        tally=[(verdict, tally.count(verdict)) for verdict in verdict_marks if verdict in tally],
        named=address({**body, "version": body.get("version") or "0" * 8}) is not None,
        axis=scale(itertools.chain.from_iterable(marks), 240),
        trends={
            key: trend(found, (132, 34), span.low, span.high, None)
            for key, found in trends.items()
        },
        changed=version_marks(nights)[-1],
        moved=moved(body),
        provisional_until=provisional_until,
        ending=ending(body, run),
        data_docs=data_docs(body),
        listing=listing(body["accounting"].get("files", ()), SHOWN_FILES),
    )  # fmt: skip


def ending(body: Report, run: Mapping[str, Any]) -> list[Any]:
    """The pins about to expire that this night's evaluators ask."""
    asked = {row["model"] for row in body["provenance"].get("evaluators", ())}
    return [pin for pin in run.get("pins", ()) if pin["model"] in asked]


def data_docs(body: Report) -> str:
    """Where the Data Docs of the night lie, relative to its page."""
    name = quote(body["app"], safe="", errors="replace")
    return f"../../../../data_docs/{body['date']}/{name}.html"


def moved(body: Report) -> list[tuple[Report | None, list[Report]]]:
    """What to say under "What changed": each slipped or caused change with its causes."""
    causes: dict[tuple[str, str], list[Report]] = defaultdict(list)
    for cause in body["causes"]:
        causes[key_of(cause)].append(cause)
    whole = {key_of(row): row for row in body["changes"] if row["slice"] == "all"}
    slipped = [key for key, row in whole.items() if row["verdict"] == "slipped"]
    keys = dict.fromkeys([*slipped, *causes])
    return [(whole.get(key), causes.get(key, [])) for key in keys]


def multiples(row: BoardRow) -> list[tuple[Report, Trend]]:
    """The small charts of an application: each dimension with its latest result, on one scale."""
    latest: dict[tuple[str, str], Report] = {}
    for report in reversed(row.reports):
        for result in report.get("results") or ():
            if result["slice"] == "all":
                latest.setdefault(key_of(result), result)
    found = {key: series(row.reports, key) for key in latest}
    span = scale((v for s in found.values() for p in s for v in (p.rate, p.low, p.high)), 84)
    return [
        (
            result,
            trend(
                found[key], (270, 84), span.low, span.high, (result["baseline"] or {}).get("rate")
            ),
        )
        for key, result in latest.items()
    ]


def unpinned(rows: Iterable[BoardRow]) -> dict[str, Any]:
    """The models behind each application's latest report that are not pinned, and why."""
    judges = (
        judge
        for row in rows
        for judge in (row.reports[-1].get("provenance") or {}).get("evaluators", ())
    )
    return {
        judge["model"]: judge["pin"]
        for judge in judges
        if judge.get("pin") and judge["pin"]["class"] != "pinned"
    }


def render_board(
    reports: list[dict[str, Any]],
    *,
    run: dict[str, Any] | None,
    provisional: Sequence[Mapping[str, str]] = (),
) -> str:
    """The board over all nights and applications.

    Args:
        reports: report bodies in any order; of several of one night the last is shown.
        run: what the last run did, where known: `calls`, `reused`, `usd`, and `pins`, rows of
            `name`, `model`, `on` and `words` for models about to go.
        provisional: nights whose rows may still come: `date`, `app` and `until`.

    Returns:
        One HTML file that links to the pages of the nights below it.
    """
    nights, rows = board_nights(reports), board_rows(reports)
    chunks = [range(max(end - 14, 0), end) for end in range(len(nights), 0, -14)]
    return environment().get_template("board.html").render(
        sentence=board_sentence(rows) if rows else "No night has been reported yet.",
        rows=rows,
        nights=nights,
        chunks=chunks,
        charts={row.app: multiples(row) for row in rows},
        gaps=gaps(nights),
        demo=any(report.get("demo") for report in reports),
        run=run or {},
        provisional=provisional,
        unpinned=unpinned(rows),
    )  # fmt: skip
