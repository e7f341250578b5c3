"""How far each judge agrees with people: its looks, the splits of its labels, slices, and people.

Reads the marts, the latest reports and the labels; the rule is `decide.judge_labels`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from evals.evaluators import registry
from evals.evaluators.label_verdicts import is_people_row
from evals.records import JsonLike
from evals.reports.alignment_counts import Counts, Key, count_labels
from evals.reports.archive import read_last_reports
from evals.reports.decide.judge_labels import LEAST_BOUND, LEAST_RATE, LOOKS, name_labels
from evals.reports.phrases import format_whole_percent
from evals.reports.report import Report
from evals.reports.result_rows import Result
from evals.reports.sections import agreement, results
from evals.reports.sections.agreement import Agreed, LookRow
from evals.specs import NAME
from evals.statistics import Proportion, wilson_interval
from evals.statistics.people import PairedPeople
from evals.storage.documents.alignment_looks import StoredLook, add_looks, read_looks
from evals.storage.documents.judge_candidates import StoredCandidate, list_candidates
from evals.storage.documents.review_queues import list_queue_nights, read_review_queue
from evals.storage.lake import Lake
from evals.table_rows import MappedLabel

SPLITS = ("pool", "dev", "test")
LEAST_OF_CLASS = 10
"""Dev labels of each class from which they tell which look a judge may pass."""
RECENT = 7
"""Nights whose queues are open."""


class Alignment(NamedTuple):
    """How far one version of a judge agrees with people in one application."""

    app: str
    dimension: str
    evaluator: str
    version: str
    kind: str
    is_aligned: bool
    agreed: Agreed | None
    """As the latest report has it; None: no labels yet."""
    looks: Sequence[StoredLook]
    """With the day each was first seen."""
    counts: Counts
    people: PairedPeople
    """People against each other on the dimension, over the nights whose pairs are counted."""
    ties: int
    open_questions: int
    """Questions of the newest review queues that nobody answered."""
    sentence: str
    outlook: str
    """Which look it may pass, by its agreement on dev labels; empty where they do not tell."""
    earlier: int = 0
    """People's labels of an earlier wording of the question, which decide nothing."""
    candidates: Sequence[StoredCandidate] = ()
    """Those that were looked at first, then the best on dev; see `evals.realign.evidence`."""

    @property
    def drift(self) -> str:
        """A sentence on them."""
        return describe_drift(self)


def measure_alignment(lake: Lake, reports: Mapping[str, Report]) -> list[Alignment]:
    """Measures every judge of some applications.

    Args:
        lake: has the marts, labels and queues.
        reports: the latest report of each application.
    """
    nights = lake.list_nights("labels_mapped")
    counts, mapped = count_labels(lake, nights), lake.read("labels_mapped", nights)
    people, questions = pair_people(mapped), count_open_questions(lake, mapped)
    earlier = count_earlier(mapped)
    looks: dict[Key, list[StoredLook]] = defaultdict(list)
    for look in read_looks(lake):
        looks[look.key[:4]].append(look)
    found: list[Alignment] = []
    for app, report in sorted(reports.items()):
        for row, agreed in list_judges(report):
            key = (app, *row.identity)
            about = (app, row.dimension)
            own = looks[key] or list_new_looks(app, agreed, None)
            found.append(
                describe_alignment(app, row, agreed, own, counts.get(key, NONE))._replace(
                    people=people.get(about, NOBODY), earlier=earlier[about]
                )
            )
            own_candidates = rank_candidates(lake, row.evaluator) if is_judge(row) else []
            found[-1] = add_sentences(found[-1], questions.get(about, 0))._replace(
                candidates=own_candidates
            )
    return found


def is_judge(row: Result) -> bool:
    """Whether a row is of a judge of the catalog, whose name is that of a file."""
    return registry.is_judge(row.kind) and bool(re.fullmatch(NAME, row.evaluator, re.ASCII))


def rank_candidates(lake: Lake, judge: str) -> list[StoredCandidate]:
    """Lists the candidates of a judge: those that were looked at, then by dev labels."""

    def rank(one: StoredCandidate) -> tuple[bool, float]:
        dev: Any = one.evidence.get("dev")
        return "test" not in one.evidence, -dev["candidate"]["balanced"]["value"] if dev else 1.0

    return sorted(list_candidates(lake, judge), key=rank)


NONE = Counts({}, ())
NOBODY = PairedPeople(0, 0, 0)


def describe_alignment(
    app: str, row: Result, agreed: Agreed | None, looks: Sequence[StoredLook], counts: Counts
) -> Alignment:
    """Describes one judge, without sentences."""
    is_aligned = bool(agreed and agreed.usable)
    ties = agreed.ties if agreed else 0
    identity = (app, *row.identity, row.kind)
    return Alignment(*identity, is_aligned, agreed, looks, counts, NOBODY, ties, 0, "", "")


def list_judges(report: Report) -> list[tuple[Result, Agreed | None]]:
    """Lists a report's judges, classifiers and panels, and recorded ones that people labelled."""
    agreed = {
        (row.dimension, row.evaluator, row.evaluator_version): row
        for row in report[agreement.SECTION]
        if row.n
    }
    rows = [row for row in report[results.SECTION] if row.is_whole]
    return [
        (row, agreed.get(row.identity))
        for row in rows
        if registry.needs_alignment(row.kind)
        or (
            registry.is_recorded(row.kind)
            and row.identity in agreed
            and not is_people_row(row.dimension, row.evaluator)
        )
    ]


def pair_people(mapped: Iterable[MappedLabel]) -> dict[tuple[str, str], PairedPeople]:
    """Pairs the people who judged the same answers, by application and dimension.

    Rows that were stored before both verdicts of a pair were counted are left out.
    """
    cells: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in mapped:
        if row.pairs_passed is not None and row.pairs:
            own = cells[row.app, row.dimension]
            own[0] += row.pairs_passed
            own[1] += row.pairs - row.pairs_agreed
            own[2] += row.pairs_agreed - row.pairs_passed
    return {key: PairedPeople(*own) for key, own in cells.items()}


def count_open_questions(lake: Lake, mapped: Iterable[MappedLabel]) -> dict[tuple[str, str], int]:
    """Counts the questions of the newest queues that nobody answered."""
    answered = {(row.trace_id, row.dimension) for row in mapped if row.decides}
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for night in list(list_queue_nights(lake))[-RECENT:]:
        for one in read_review_queue(lake, night):
            counts[one.app, one.dimension] += (one.trace_id, one.dimension) not in answered
    return counts


def count_earlier(mapped: Iterable[MappedLabel]) -> Counter[tuple[str, str]]:
    """Counts the labels of an earlier wording, by application and dimension."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in mapped:
        counts[row.app, row.dimension] += row.earlier
    return counts


def describe_drift(one: Alignment) -> str:
    """Describes the labels of an earlier wording, and how people are asked again."""
    n = one.earlier
    which = f"{n:,} label{'s' * (n != 1)} answered an earlier wording of the question and "
    decide = "decides" if n == 1 else "decide"
    command = f"andon labels regrade --app {one.app} --dimension {one.dimension}"
    return f"{which}{decide} nothing; `{command}`, or /regrade in `andon review`, asks again"


def list_new_looks(app: str, agreed: Agreed | None, today: date | None) -> list[StoredLook]:
    """Returns the looks of a report's row as they are stored; `today` is when they were seen."""
    if agreed is None:
        return []
    identity = (app, agreed.dimension, agreed.evaluator, agreed.evaluator_version)
    return [build_look(identity, look, today) for look in agreed.looks]


def build_look(identity: Key, look: LookRow, today: date | None) -> StoredLook:
    """Returns a look of a report as it is stored."""
    return StoredLook(
        *identity,
        at=look.at,
        seen=today.isoformat() if today else "",
        night=look.night.isoformat() if look.night else None,
        passes=look.passes,
        failures=look.failures,
        tpr=look.tpr,
        tpr_low=look.tpr_low,
        tnr=look.tnr,
        tnr_low=look.tnr_low,
        passed=look.passed,
    )


def add_sentences(one: Alignment, questions: int) -> Alignment:
    """Returns an alignment with its sentences."""
    return one._replace(
        open_questions=questions,
        sentence=describe_state(one, questions),
        outlook=describe_outlook(one),
    )


def describe_state(one: Alignment, questions: int) -> str:
    """Describes whether a judge decides, and what it takes: `watch only: 14 passes and …`."""
    last = one.agreed.looks[-1] if one.agreed and one.agreed.looks else None
    if one.is_aligned and last:
        return (
            f"aligned: TPR {format_whole_percent(last.tpr)} (at least "
            f"{format_whole_percent(last.tpr_low)}) and TNR {format_whole_percent(last.tnr)} (at "
            f"least {format_whole_percent(last.tnr_low)}) on its test labels"
        )
    queue = describe_queue(questions)
    if one.agreed is None:
        return f"watch only: {name_labels(LOOKS[0], LOOKS[0])} still needed; {queue}"
    missing = one.agreed.missing
    needed = name_labels(missing.passes, missing.failures) if missing else ""
    if needed:
        return f"watch only: {needed} still needed; {queue}"
    if missing:
        return f"watch only: the next look is due with the next night; {queue}"
    return f"watch only: no look is left, and the last one did not pass; {queue}"


def describe_queue(questions: int) -> str:
    """Describes the review queue."""
    if not questions:
        return "the next queue comes with the next night"
    return f"the next queue is ready ({questions:,} question{'s' * (questions != 1)})"


def describe_outlook(one: Alignment) -> str:
    """Describes which look a judge may pass, by its agreement on dev labels.

    The test labels are not looked at in between; that of the rule is both rates above .80 by point
    with lower bounds above .70.
    """
    dev = one.counts.splits.get("dev")
    if one.is_aligned or dev is None or min(dev.passes.n, dev.fails.n) < LEAST_OF_CLASS:
        return ""
    rates = (dev.passes.rate, dev.fails.rate)
    shown = f"TPR {format_whole_percent(rates[0])} and TNR {format_whole_percent(rates[1])} on dev"
    if min(rates) <= LEAST_RATE:
        remedy = f" (`andon judge realign {one.evaluator}`)" if registry.is_judge(one.kind) else ""
        return f"{shown} labels: it would pass no look; improve it first{remedy}"
    last = one.agreed.looks[-1].at if one.agreed and one.agreed.looks else 0
    at = find_passable_look(rates, last)
    if at is None:
        return f"{shown} labels: it is too close to .80 to pass a look"
    return f"{shown} labels: the look at {at} is the first that it may pass"


def find_passable_look(rates: Sequence[float], last: int) -> int | None:
    """Finds the first look after the last at which such rates have lower bounds above .70."""
    for at in LOOKS:
        if at > last and all(wilson_interval(rate * at, at).low > LEAST_BOUND for rate in rates):
            return at
    return None


def store_alignment(lake: Lake, today: date) -> list[Alignment]:
    """Measures every judge, and stores the looks that nobody has seen before.

    Args:
        lake: the home.
        today: the day on which new looks are seen.
    """
    reports = read_last_reports(lake)
    new = [
        look
        for app, report in reports.items()
        for _, agreed in list_judges(report)
        for look in list_new_looks(app, agreed, today)
    ]
    add_looks(lake, new)
    return measure_alignment(lake, reports)


def describe_as_json(one: Alignment) -> dict[str, JsonLike]:
    """Returns an alignment as JSON."""
    agreed, people = one.agreed, one.people
    kappa, of_kappa = people.kappa, people.kappa_interval()
    return {
        "judge": one.evaluator,
        "app": one.app,
        "dimension": one.dimension,
        "version": one.version,
        "kind": one.kind,
        "state": "aligned" if one.is_aligned else "watch only",
        "sentence": one.sentence,
        "outlook": one.outlook,
        "labels": agreed.n if agreed else 0,
        "sampled": bool(agreed and agreed.sampled),
        "tpr": describe_rate(agreed and (agreed.tpr, agreed.tpr_low, agreed.tpr_high)),
        "tnr": describe_rate(agreed and (agreed.tnr, agreed.tnr_low, agreed.tnr_high)),
        "missing": {"passes": agreed.missing.passes, "failures": agreed.missing.failures}
        if agreed and agreed.missing
        else None,
        "splits": {
            name: {"passes": own.passes.n, "failures": own.fails.n}
            for name, own in one.counts.splits.items()
        },
        "looks": [look._asdict() for look in one.looks],
        "people": {
            "pairs": people.n,
            "agreed": round(people.agreed.rate, 6),
            "kappa": round(kappa.value, 6) if kappa else None,
            "kappa_error": round(kappa.error, 6) if kappa else None,
            "kappa_low": round(of_kappa.low, 6) if of_kappa else None,
            "kappa_high": round(of_kappa.high, 6) if of_kappa else None,
            "ceiling": agreed.people.ceiling if agreed and agreed.people else None,
        }
        if people.n
        else None,
        "ties": one.ties,
        "slices": [
            {
                "slice": part.slice,
                "labels": part.labels.n,
                "tpr": describe_side(part.labels.passes),
                "tnr": describe_side(part.labels.fails),
            }
            for part in one.counts.slices
        ],
        **({"earlier_labels": one.earlier} if one.earlier else {}),
        "disagreements": agreed.fn + agreed.fp if agreed else 0,
        "open_questions": one.open_questions,
    }


def describe_rate(figures: tuple[float | None, float, float] | None) -> list[JsonLike] | None:
    """Returns a rate with its interval; None without labels of its class."""
    return list(figures) if figures and figures[0] is not None else None


def describe_side(side: Proportion) -> list[JsonLike] | None:
    """Returns the rate of one class with its interval; None without labels of it."""
    return [round(x, 6) for x in (side.rate, *side.interval())] if side.n else None
