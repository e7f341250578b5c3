"""Pages a person reads: the board and a night of an application, each one file of HTML.

Turns report bodies into words, geometry and markup. Computes no rate, interval or verdict.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from jinja2 import Environment

Report = Mapping[str, Any]
"""A report body, as in report.json."""

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

WORDS = (
    "none", "one", "two", "three", "four", "five", "six",
    "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Characters that are invisible, reorder text or cannot be written as UTF-8."""

SECTIONS: Mapping[str, Any] = MappingProxyType(
    dict.fromkeys(("results", "changes", "causes", "slices", "examples"), ())
    | {"agreement": (), "errors": (), "refusal": None, "suite": None, "demo": False}
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


class Point(NamedTuple):
    """One night of one dimension."""

    date: str
    rate: float | None
    low: float | None
    high: float | None
    n: int
    coverage: float | None
    changed: tuple[str, ...]


class Scale(NamedTuple):
    """A line from a share of 0..1 to coordinates, cut to the part that holds the data."""

    low: float
    high: float
    size: float
    pad: float = 6.0

    def at(self, share: float) -> float:
        """Distance from the start of the scale, in user units."""
        part = min(max((share - self.low) / (self.high - self.low), 0.0), 1.0)
        return round(self.pad + part * (self.size - 2 * self.pad), 1)


class Trend(NamedTuple):
    """The geometry of a small chart: rate lines, interval bands, version marks."""

    width: int
    height: int
    lines: tuple[str, ...]
    bands: tuple[str, ...]
    marks: tuple[tuple[float, str], ...]
    ends: tuple[tuple[float, float], ...]
    """The shares at the lower and upper edge, with their heights."""
    baseline: float | None
    last: tuple[float, float] | None
    points: tuple[Point, ...]
    text: str
    """The chart in a sentence."""


def visible(value: Any) -> Any:
    """Text with every character that could hide or reorder made visible; other values as is."""
    if type(value) is not str or not UNSAFE.search(value):
        return value
    return UNSAFE.sub(lambda found: f"‹U+{ord(found[0]):04X}›", value.replace("\r\n", "\n"))


def natural(value: Any) -> str:
    """An answer as a person would write it down: JSON indented, anything else unchanged."""
    if not isinstance(value, str):
        return json.dumps(value, indent=2, ensure_ascii=False)
    if not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return json.dumps(
            json.loads(value, object_pairs_hook=_distinct), indent=2, ensure_ascii=False
        )
    except (ValueError, RecursionError):
        return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object as a dict; one that repeats a key is left as it was written."""
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a key is repeated")
    return found


def percent(share: float | None, low: float | None = None, high: float | None = None) -> str:
    """A share in percent, with the digits its interval supports; 0% and 100% only when exact."""
    if share is None:
        return "–"
    half = 1.0 if low is None or high is None else (high - low) / 2
    digits = 0 if half >= 0.005 else 1 if half >= 0.0005 else 2
    shown = round(share * 100, digits)
    if shown in (0.0, 100.0) and share not in (0, 1):
        edge = 10**-digits
        return f">{100 - edge:.{digits}f}%" if shown else f"<{edge:.{digits}f}%"
    return f"{shown:.{digits}f}%"


def interval(low: float | None, high: float | None) -> str:
    """An interval of shares: `68–79%`."""
    if low is None or high is None:
        return ""
    digits = 0 if high - low >= 0.01 else 1 if high - low >= 0.001 else 2
    return f"{low * 100:.{digits}f}–{high * 100:.{digits}f}%"


def points(change: float | None, low: float | None = None, high: float | None = None) -> str:
    """A change in percentage points with half its interval: `−17 ± 6`."""
    if change is None:
        return "–"
    half = None if low is None or high is None else (high - low) * 50
    digits = 0 if half is None or half >= 0.5 else 1
    shown = round(change * 100, digits)
    sign = "−" if shown < 0 else "+" if shown > 0 else ""
    margin = "" if half is None else f" ± {half:.{digits}f}"
    return f"{sign}{abs(shown):.{digits}f}{margin}"


def dollars(usd: float | None) -> str:
    """US dollars to the cent; sums under a cent to two digits."""
    return "–" if usd is None else f"${usd:,.2f}" if usd >= 0.01 or not usd else f"${usd:.2g}"


def day(text: str, form: str = "long") -> str:
    """A night's date in words: long `Thursday 8 October 2026`, plain without the weekday, or short.

    A text that is no date is given back as it is.
    """
    try:
        at = date.fromisoformat(text)
    except (TypeError, ValueError):
        return text
    month = MONTHS[at.month - 1]
    if form == "short":
        return f"{at.day} {month[:3]}"
    plain = f"{at.day} {month} {at.year}"
    return plain if form == "plain" else f"{DAYS[at.weekday()]} {plain}"


def listed(names: Sequence[str]) -> str:
    """Names as in a sentence: `a, b and c`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


def number(n: int) -> str:
    """A small count as a word, a large one in digits."""
    return WORDS[n] if n < len(WORDS) else f"{n:,}"


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


def version_marks(reports: Sequence[Report]) -> list[tuple[str, ...]]:
    """For each report of one application, oldest first, what changed against those before it.

    A prompt, model or other version counts when it is new and answers a tenth of the traces, or
    when it becomes the majority; an evaluator when its version differs.
    """
    seen: dict[str, set[str]] = defaultdict(set)
    main: dict[str, str] = {}
    marks = []
    for report in reports:
        changed: list[str] = []
        provenance = report.get("provenance") or {}
        for name, values in sorted((provenance.get("traces") or {}).items()):
            if name in ("prompt_version", "model") or name.startswith("versions."):
                changed += _moved(name, values, seen, main)
        for evaluator in provenance.get("evaluators") or ():
            known, version = seen[f"evaluator {evaluator['name']}"], evaluator["version"]
            if known and version not in known:
                changed.append(f"evaluator {evaluator['name']}")
            known.clear()
            known.add(version)
        marks.append(tuple(changed))
    return marks


def _moved(
    name: str, values: Sequence[Report], seen: dict[str, set[str]], main: dict[str, str]
) -> list[str]:
    total = sum(value["n"] for value in values) or 1
    label = {"prompt_version": "prompt"}.get(name, name.removeprefix("versions."))
    top = max(values, key=lambda value: value["n"], default=None)
    new = [
        str(value["value"])
        for value in values
        if str(value["value"]) not in seen[name] and value["n"] >= total / 10
    ]
    found = [f"{label} {value}" for value in new] if seen[name] else []
    if top and top["n"] > total / 2:
        before, after = main.get(name), str(top["value"])
        if before is not None and before != after:
            found = [f"{label} {before} → {after}"]
        main[name] = after
    seen[name].update(str(value["value"]) for value in values)
    return found


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


def gaps(nights: Sequence[str]) -> list[tuple[str, str]]:
    """First and last day of each stretch between nights that has no report at all."""
    pairs = itertools.pairwise(date.fromisoformat(night) for night in nights)
    one = timedelta(days=1)
    return [((a + one).isoformat(), (b - one).isoformat()) for a, b in pairs if b - a > one]


def scale(values: Iterable[float | None], size: float) -> Scale:
    """The tens of percent that hold every value, at least 40 points wide, with a round middle."""
    known = [value for value in values if value is not None] or [0.0, 1.0]
    low, high = math.floor(min(known) * 10), math.ceil(max(known) * 10)
    high = min(max(high, low + 4), 10)
    low = max(min(low, high - 4), 0)
    odd = (high - low) % 2
    return Scale((low - (odd and low > 0)) / 10, (high + (odd and low == 0)) / 10, size)


def series(reports: Sequence[Report], key: tuple[str, str]) -> list[Point]:
    """A dimension and evaluator over the nights of one application; None where not measured."""
    found = []
    for report, changed in zip(reports, version_marks(reports), strict=True):
        row = next(
            (r for r in report.get("results") or () if r["slice"] == "all" and key_of(r) == key),
            None,
        )
        if row:
            shown = (row["rate"], row["low"], row["high"], row["n"], row["coverage"])
            found.append(Point(report["date"], *shown, changed))
        else:
            found.append(Point(report["date"], None, None, None, 0, None, changed))
    return found


def key_of(row: Report) -> tuple[str, str]:
    """What a row is about: dimension and evaluator."""
    return row["dimension"], row["evaluator"]


def trend(
    nights: Sequence[Point], across: tuple[int, int], low: float, high: float, base: float | None
) -> Trend:
    """The chart of a dimension over nights; `across` is its width and height in user units."""
    width, height = across
    up = Scale(low, high, height)
    step = (width - 12) / max(len(nights) - 1, 1)

    def down(share: float | None) -> float:
        return round(height - up.at(share or 0.0), 1)

    start = 6.0 if len(nights) > 1 else width / 2
    placed = [(round(start + step * index, 1), night) for index, night in enumerate(nights)]
    runs = [
        [(x, down(p.rate), down(p.low), down(p.high)) for x, p in group]
        for known, group in itertools.groupby(placed, key=lambda pair: pair[1].rate is not None)
        if known
    ]
    x, end = placed[-1]
    return Trend(
        width,
        height,
        lines=tuple(_path((x, rate) for x, rate, _, _ in run) for run in runs),
        bands=tuple(_band(run) for run in runs),
        marks=tuple((x, "; ".join(p.changed)) for x, p in placed if p.changed),
        ends=tuple((share, down(share)) for share in (low, high)),
        baseline=None if base is None else down(base),
        last=None if end.rate is None else (x, down(end.rate)),
        points=tuple(nights),
        text=_trend_text(nights),
    )


def _band(run: Sequence[tuple[float, float, float, float]]) -> str:
    """The outline of an interval over nights; one night alone gets a width."""
    wide = 2.0 if len(run) == 1 else 0.0
    upper = [(run[0][0] - wide, run[0][3]), *((x, high) for x, _, _, high in run)]
    upper.append((run[-1][0] + wide, run[-1][3]))
    lower = [(run[0][0] - wide, run[0][2]), *((x, low) for x, _, low, _ in run)]
    lower.append((run[-1][0] + wide, run[-1][2]))
    return _path([*upper, *reversed(lower)]) + "Z"


def _path(corners: Iterable[tuple[float, float]]) -> str:
    found = [f"{x:.1f},{y:.1f}" for x, y in corners]
    return "M" + "L".join(found if len(found) > 1 else found * 2)


def _trend_text(nights: Sequence[Point]) -> str:
    known = [p for p in nights if p.rate is not None]
    if not known:
        return "not measured on any night"
    rates = [p.rate or 0.0 for p in known]
    last = known[-1]
    counted = "one night" if len(known) == 1 else f"{number(len(known))} nights"
    changes = "".join(
        f"; {day(p.date, 'short')}: {', '.join(p.changed)}" for p in nights if p.changed
    )
    return (
        f"{counted} to {day(last.date, 'plain')}: between {percent(min(rates))} and "
        f"{percent(max(rates))}, last {percent(last.rate, last.low, last.high)}{changes}"
    )


def shares(cause: Report) -> list[tuple[str, float, float]]:
    """A cause's evidence: each value with its share before and after, largest after first."""
    before = {str(row["value"]): row["share"] for row in cause["before"]}
    after = {str(row["value"]): row["share"] for row in cause["after"]}
    rows = [(value, before.get(value, 0.0), after.get(value, 0.0)) for value in before | after]
    return sorted(rows, key=lambda row: (-row[2], -row[1], row[0]))


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


def render_night(report: dict[str, Any], *, history: list[dict[str, Any]]) -> str:
    """The page of a night of an application.

    Args:
        report: the body of its report.json.
        history: earlier bodies of the same application, oldest first.

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
    )  # fmt: skip


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


def render_board(reports: list[dict[str, Any]], *, run: dict[str, Any] | None) -> str:
    """The board over all nights and applications.

    Args:
        reports: report bodies in any order; of several of one night the last is shown.
        run: what the last run did, where known: `calls`, `reused`, `usd`, and `pins`, rows of
            `name` and `expires` for models about to go.

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
    )  # fmt: skip
