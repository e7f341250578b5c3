"""Two evaluators of one dimension, or a judge and its candidate, on the same labelled answers.

Reads stored verdicts; asks nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from evals.labels.alignment import choose_split
from evals.realign.classifier_candidates import list_classifiers
from evals.realign.evidence import (
    Measured,
    build_difference,
    build_figures,
    format_difference,
    judge_result,
)
from evals.realign.labelled_judge import LabelledJudge
from evals.realign.verdicts import Trial
from evals.records import JsonLike
from evals.reports import json_form
from evals.specs import Judge
from evals.specs.yaml_keys import load_strictly
from evals.statistics.judges_compared import Compared, compare_judges
from evals.storage.documents.judge_candidates import StoredCandidate
from evals.storage.lake import Lake
from evals.storage.marts import list_mart_files
from evals.storage.parquet_files import verify_files
from evals.storage.queries import add_missing_columns, open_duckdb, quote_paths, quote_text

ALPHA = 0.05
SHOWN = 10

VERDICTS = """
select
    scores.date, scores.app, scores.trace_id, scores.dimension, scores.session_id,
    scores.evaluator, scores.verdict, labels.verdict as label,
    coalesce(scores.evaluator = labels.learner, false) as learns,
    coalesce(labels.held_out, false) as held_out
from scores
inner join labels
    on scores.date = labels.date
    and scores.app = labels.app
    and scores.dimension = labels.dimension
    and scores.subject = coalesce(labels.subject, 'trace')
    and scores.subject_id = coalesce(labels.subject_id, labels.trace_id)
where scores.status = 'scored' and labels.verdict is not null and scores.evaluator in ({names})
order by all
"""


class Disagreement(NamedTuple):
    """An answer on which two judges decided otherwise."""

    app: str
    trace_id: str
    people: str
    """`pass` or `fail`."""
    now: str
    candidate: str
    words: str
    """Why, in the candidate's words."""

    def describe(self) -> str:
        """Describes it on a line."""
        right = "candidate" if self.candidate == self.people else "judge there is"
        words = f": {self.words}" if self.words else ""
        return f"{self.trace_id}: people {self.people}, as the {right} does{words}"


class Rivals(NamedTuple):
    """Two evaluators of one dimension on the answers that neither learned from."""

    app: str
    dimension: str
    incumbent: str
    candidate: str
    split: str
    """`held-out` where one of them learns from labels; else `test`."""
    measured: Measured
    disagreements: Sequence[Disagreement]

    def describe(self) -> str:
        """Describes what follows."""
        difference = self.measured.difference
        shown = format_difference(difference)
        match judge_result(difference):
            case "better":
                return f"{self.candidate} agrees with people more, by {shown}"
            case "worse":
                return f"{self.candidate} agrees with people less, by {shown}"
            case _:
                return f"the labels do not show which agrees with people more: {shown}"


def list_disagreements(work: LabelledJudge, stored: StoredCandidate) -> list[Disagreement]:
    """Lists dev answers on which a candidate and the judge there is differ.

    Those of the test split stay unread: whoever reads them would fit the judge to them.
    """
    trial = open_stored(work, stored)
    if trial is None:
        return []
    verdicts = zip(work.dev, trial.read(work.dev), work.incumbent.read(work.dev), strict=True)
    found = [
        Disagreement(
            answer.trace.app, answer.trace.trace_id, name_verdict(answer.passed),
            name_verdict(now.passed), name_verdict(one.passed), one.explanation,
        )
        for answer, one, now in verdicts
        if one and now and one.passed is not now.passed
    ]  # fmt: skip
    return found[:SHOWN]


def open_stored(work: LabelledJudge, stored: StoredCandidate) -> Trial | None:
    """Opens a trial of a stored candidate; None of a classifier that was trained again since."""
    if not stored.classifier:
        return work.open_trial(Judge.model_validate(load_strictly(stored.file)))
    own = (stored.classifier, stored.model)
    return next(
        (one for one in list_classifiers(work) if (one.spec.classifier, one.model) == own), None
    )


def name_verdict(passed: bool) -> str:
    """Names a verdict."""
    return "pass" if passed else "fail"


def compare_evaluators(lake: Lake, incumbent: str, candidate: str, app: str | None) -> Rivals | str:
    """Compares two evaluators on the labelled answers of all nights; or returns why it cannot."""
    rows = read_verdicts(lake, (incumbent, candidate))
    by_answer: dict[tuple[str, str, date, str], dict[str, dict[str, Any]]] = {}
    for row in rows:
        place = (row["app"], row["dimension"], row["date"], row["trace_id"])
        by_answer.setdefault(place, {})[row["evaluator"]] = row
    both = {place: own for place, own in by_answer.items() if {incumbent, candidate} <= own.keys()}
    uses = sorted({place[:2] for place in both if app in (None, place[0])})
    if not uses:
        known = sorted({row["evaluator"] for row in rows})
        have = f"verdicts on labelled answers are there of {', '.join(known) or 'neither'}"
        return f"{incumbent} and {candidate} have no labelled answer in common; {have}"
    if len(uses) > 1:
        return f"both are in {', '.join('/'.join(use) for use in uses)}: choose one with --app"
    pairs = [own for place, own in both.items() if place[:2] == uses[0]]
    return compare_pairs(uses[0], (incumbent, candidate), pairs)


def read_verdicts(lake: Lake, names: Sequence[str]) -> list[dict[str, Any]]:
    """Reads the verdicts of some evaluators on labelled answers, with what people decided."""
    nights = lake.list_nights("labels_mapped")
    scores = list_mart_files(lake, "fct_scores", nights)
    labels = lake.list_files("labels_mapped", nights)
    if not scores or not labels:
        return []
    verify_files([*scores, *labels])
    with open_duckdb() as db:
        for name, files in (("scores", scores), ("labels", labels)):
            source = f"read_parquet({quote_paths(files)}, union_by_name=true)"
            table = "labels_mapped" if name == "labels" else name
            db.execute(f"create view {name} as {add_missing_columns(table, source)}")
        listed = ", ".join(map(quote_text, names))
        return db.sql(VERDICTS.format(names=listed)).to_arrow_table().to_pylist()


def compare_pairs(
    use: tuple[str, str], names: tuple[str, str], pairs: Sequence[dict[str, dict[str, Any]]]
) -> Rivals | str:
    """Compares two evaluators on the answers that neither learned from."""
    incumbent, candidate = names
    learns = any(row["learns"] for own in pairs for row in own.values())
    kept = [own for own in pairs if is_measured(own, learns=learns)]
    answers = [
        Compared(
            own[candidate]["label"] == "pass",
            own[candidate]["verdict"] == own[candidate]["label"],
            own[incumbent]["verdict"] == own[incumbent]["label"],
            own[candidate]["session_id"] or own[candidate]["trace_id"],
        )
        for own in kept
    ]
    difference = compare_judges(answers, ALPHA)
    first, second = (
        build_figures([(own[n]["label"] == "pass", own[n]["verdict"] == "pass") for own in kept])
        for n in (candidate, incumbent)
    )
    if difference is None or first is None or second is None:
        return f"{incumbent} and {candidate} need test labels of both verdicts to be compared"
    measured = Measured(first, second, build_difference(difference, ALPHA))
    split = "held-out" if learns else "test"
    shown = [] if not learns else list_held_out(names, kept)
    return Rivals(*use, incumbent, candidate, split, measured, shown)


def is_measured(own: dict[str, dict[str, Any]], *, learns: bool) -> bool:
    """Whether two evaluators are measured on an answer: held out, or of the test split."""
    if learns:
        return all(row["held_out"] for row in own.values())
    row = next(iter(own.values()))
    return choose_split(row["session_id"] or row["trace_id"]) == "test"


def list_held_out(
    names: tuple[str, str], kept: Sequence[dict[str, dict[str, Any]]]
) -> list[Disagreement]:
    """Lists answers on which two evaluators differ."""
    incumbent, candidate = names
    found = [
        Disagreement(
            own[candidate]["app"], own[candidate]["trace_id"], own[candidate]["label"],
            own[incumbent]["verdict"], own[candidate]["verdict"], "",
        )
        for own in kept
        if own[incumbent]["verdict"] != own[candidate]["verdict"]
    ]  # fmt: skip
    return found[:SHOWN]


def describe_as_json(found: Rivals) -> dict[str, JsonLike]:
    """Returns a comparison as JSON."""
    return {
        "app": found.app,
        "dimension": found.dimension,
        "incumbent": found.incumbent,
        "candidate": found.candidate,
        "split": found.split,
        "measured": json_form.to_json(found.measured),
        "result": judge_result(found.measured.difference),
        "disagreements": [one._asdict() for one in found.disagreements],
    }
