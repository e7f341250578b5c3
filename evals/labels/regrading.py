"""Criteria drift: labels that were given under an earlier wording of their question.

Those most likely to flip come first. What judges score is read from the tables; nothing is asked.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from evals.evaluators.gold import is_about
from evals.evaluators.label_verdicts import is_from_people, list_votes, map_verdict
from evals.evaluators.label_wordings import digest_wording, list_outdated
from evals.evaluators.registry import is_recorded
from evals.labels.mapped_labels import list_every_dimension
from evals.labels.night_queue import list_review_dimensions
from evals.labels.people_agreement import Vote, compare_annotators
from evals.labels.review_queue import REGRADE
from evals.records import Json, Label, Outcome, Trace
from evals.specs import Catalog
from evals.specs.label_rules import LabelRules
from evals.storage.documents.review_queues import (
    ReviewQuestion,
    change_review_queue,
    list_queue_nights,
    read_review_queue,
)
from evals.storage.id_index import find_nights
from evals.storage.label_records import read_labels
from evals.storage.lake import Lake

WORD = re.compile(r"\w{3,}")
DISAGREES, NEAR, SIMILAR, OLDEST = "judges differ", "near the threshold", "note", "age"


class Scored(NamedTuple):
    """What an evaluator's versions found in a trace, in the order of the files."""

    passed: tuple[bool, ...]
    value: float | None
    """The latest graded score."""


class Offer(NamedTuple):
    """A label to judge again."""

    label: Label
    night: date
    basis: str
    """What makes it likely to flip."""
    strength: float
    """How likely, within its basis."""
    question: str
    """The present wording."""

    @property
    def order(self) -> tuple[int, float, str]:
        """Its place: evidence of judges first, then closeness, then words."""
        bases = (DISAGREES, NEAR, SIMILAR, OLDEST)
        return (bases.index(self.basis), -self.strength, self.label.subject_id)

    @property
    def why(self) -> str:
        """Why it may flip, without a verdict: whoever is asked again is not to read one."""
        return {
            DISAGREES: "a judge decides otherwise since the question changed",
            NEAR: "a judge's score is near where its verdict changes",
            SIMILAR: "its note has words that the wording gained or lost",
            OLDEST: "it was given under an earlier wording",
        }[self.basis]

    def describe(self) -> str:
        """Describes it in words."""
        return f"{self.label.annotator} gave {self.label.verdict}; {self.why}"

    def to_json(self) -> dict[str, Json]:
        """Returns it as JSON."""
        return {
            "trace_id": self.label.subject_id,
            "label": self.label.id,
            "annotator": self.label.annotator,
            "verdict": self.label.verdict,
            "night": self.night.isoformat(),
            "rubric_version": self.label.rubric_version,
            "basis": self.basis,
            "strength": round(self.strength, 6),
        }


def list_offers(lake: Lake, catalog: Catalog, app: str, dimension: str) -> list[Offer]:
    """Lists people's labels of an earlier wording, those most likely to flip first.

    A label without a recorded wording, and one that its annotator gave again under the present
    one, is not offered.

    Args:
        lake: has the labels and the scores.
        catalog: has the present wording.
        app: the application.
        dimension: one of `list_review_dimensions`.
    """
    spec = list_review_dimensions(catalog, app)[dimension]
    labels = [one for one in read_labels(lake) if is_candidate(one, spec.labels)]
    outdated = list_outdated(labels, spec.question)
    traces = read_traces(lake, app, {one.subject_id for one in outdated})
    scored = read_scored(lake, app, dimension, {night for night, _ in traces.values()})
    wordings = read_wordings(lake, app, dimension)
    rules = find_rules(catalog, app, dimension)
    offers: list[Offer] = []
    for label in outdated:
        found = traces.get(label.subject_id)
        if found and is_about(label, found[1]):
            earlier = wordings.get(label.rubric_version or "")
            changed = compare_words(earlier, spec.question) if earlier else frozenset[str]()
            own = scored.get(label.subject_id)
            basis, strength = rank_label(rules, label, own, changed)
            offers.append(Offer(label, found[0], basis, strength, spec.question))
    return sorted(offers, key=lambda offer: offer.order)


def find_rules(catalog: Catalog, app: str, dimension: str) -> LabelRules:
    """Finds how the labels of a dimension are read."""
    every = list_every_dimension(catalog, app)
    return next(one.label_rules for one in every if one.dimension == dimension)


def is_candidate(label: Label, name: str) -> bool:
    """Whether a label is a person's, of a single trace, on a dimension by its labels' name."""
    return label.subject == "trace" and label.dimension == name and is_from_people(label)


def read_traces(lake: Lake, app: str, ids: set[str]) -> dict[str, tuple[date, Trace]]:
    """Reads the labelled traces with their nights."""
    if not ids:
        return {}
    staged = set(find_nights(lake, ids))
    near = {night for night in lake.list_nights("traces") if has_neighbour(night, staged)}
    return {
        trace.trace_id: (night, trace)
        for night in sorted(near)
        for trace in lake.stream_night("traces", night, ("trace_id", ids))
        if trace.app == app
    }


def has_neighbour(night: date, staged: set[date]) -> bool:
    """Whether a night's traces may be staged under one of some dates: its own or the next."""
    return night in staged or date.fromordinal(night.toordinal() + 1) in staged


def read_scored(lake: Lake, app: str, dimension: str, nights: Iterable[date]) -> dict[str, Scored]:
    """Reads what the versions of a dimension's evaluators found, by trace.

    Scores of a version that a night no longer uses are read, too: they are the judge's under the
    earlier wording.
    """
    found: dict[str, Scored] = {}
    for night in sorted(nights):
        paths = sorted(lake.list_files("scores", [night]), key=lambda path: path.stat().st_mtime_ns)
        for path in paths:
            if f"@{app}@" not in path.name:
                continue
            for score in lake.stream_file("scores", path, ("verdict", ["pass", "fail"])):
                if score.dimension == dimension and not is_recorded(score.kind):
                    before = found.get(score.trace_id, Scored((), None))
                    value = before.value if score.value is None else score.value
                    passed = (*before.passed, score.verdict == "pass")
                    found[score.trace_id] = Scored(passed, value)
    return found


def read_wordings(lake: Lake, app: str, dimension: str) -> dict[str, str]:
    """Reads the wordings that queues asked, by their digest."""
    return {
        one.rubric_version or digest_wording(one.question): one.question
        for night in list_queue_nights(lake)
        for one in read_review_queue(lake, night)
        if (one.app, one.dimension) == (app, dimension)
    }


def compare_words(before: str, after: str) -> frozenset[str]:
    """Returns the words that a wording gained or lost."""
    old, new = (set(WORD.findall(text.casefold())) for text in (before, after))
    return frozenset(old ^ new)


def rank_label(
    rules: LabelRules, label: Label, scored: Scored | None, changed: frozenset[str]
) -> tuple[str, float]:
    """Returns what makes a label likely to flip, and how likely it is.

    Where a judge gave both verdicts under its versions they differ; else its graded score may be
    near one half, or against the label; else the note shares words with what was changed (cosine).
    """
    if scored and len(set(scored.passed)) > 1:
        outcome = map_verdict(rules.map_for(label.annotator_kind), label.verdict)
        agrees = isinstance(outcome, Outcome) and outcome.passed == scored.passed[-1]
        return DISAGREES, 0.5 if agrees else 1.0
    if scored and scored.value is not None and 0 <= scored.value <= 1:
        near = 1 - 2 * abs(scored.value - 0.5)
        if near >= 0.5:
            return NEAR, near
    words = set(WORD.findall(label.critique.casefold()))
    if words & changed:
        return SIMILAR, len(words & changed) / math.sqrt(len(words) * len(changed))
    return OLDEST, 0.0


class Given(NamedTuple):
    """A label's verdict on an answer, in the suite's words."""

    label: Label
    passed: bool


class RubricAgreement(NamedTuple):
    """How people agree with each other, and the dimension's judge with them, under one wording."""

    rubric_version: str
    """Empty: it was not recorded."""
    is_present: bool
    labels: int
    pairs: int
    """Pairs of people who judged one answer under this wording."""
    agreed: int
    judged: int
    """Labels of answers that the judge's latest version judged."""
    judge_agreed: int

    def describe(self) -> str:
        """Describes it in words."""
        name = self.rubric_version or "wording not recorded"
        present = " (present)" if self.is_present else ""
        people = f"people agree in {self.agreed:,} of {self.pairs:,} pairs"
        judge = f"the judge agrees with {self.judge_agreed:,} of {self.judged:,} labels"
        return f"{name}{present}: {self.labels:,} labels; {people}; {judge}"


def measure_by_rubric(
    lake: Lake, catalog: Catalog, app: str, dimension: str
) -> list[RubricAgreement]:
    """Measures agreement under each wording; labels of two wordings are never compared."""
    spec = list_review_dimensions(catalog, app)[dimension]
    rules, present = find_rules(catalog, app, dimension), digest_wording(spec.question)
    labels = [one for one in read_labels(lake) if is_candidate(one, spec.labels)]
    traces = read_traces(lake, app, {one.subject_id for one in labels})
    scored = read_scored(lake, app, dimension, {night for night, _ in traces.values()})
    given: dict[tuple[str, str], list[Label]] = defaultdict(list)
    for label in labels:
        found = traces.get(label.subject_id)
        if found and is_about(label, found[1]):
            given[label.rubric_version or "", label.subject_id].append(label)
    votes: dict[str, list[list[Given]]] = defaultdict(list)
    for (version, _), own in given.items():
        outcomes = (
            (one, map_verdict(rules.map_for(one.annotator_kind), one.verdict))
            for one in list_votes(own)
        )
        mapped = [Given(one, out.passed) for one, out in outcomes if isinstance(out, Outcome)]
        votes[version] += [mapped] if mapped else []
    return [
        measure_wording(version, version == present, own, scored)
        for version, own in sorted(votes.items())
        if own
    ]


def measure_wording(
    version: str,
    is_present: bool,
    votes: Sequence[Sequence[Given]],
    scored: Mapping[str, Scored],
) -> RubricAgreement:
    """Counts the people and the judge who judged the same answers under a wording.

    An adjudication is no second opinion: it is compared with the judge alone.
    """
    opinions = [[one for one in own if one.label.annotator_kind == "human"] for own in votes]
    people = compare_annotators(
        [Vote(one.label.annotator, one.passed) for one in own] for own in opinions
    ).table
    every = [one for own in votes for one in own]
    judged = [
        one.passed == scored[one.label.subject_id].passed[-1]
        for one in every
        if one.label.subject_id in scored
    ]
    agreed = people.tp + people.tn
    return RubricAgreement(
        version, is_present, len(every), people.n, agreed, len(judged), sum(judged)
    )


def queue_offers(lake: Lake, app: str, dimension: str, offers: Iterable[Offer]) -> int:
    """Asks again about labels, each in the queue of its own night; returns how many are new.

    The new label has the chance with which the answer was drawn before.
    """
    by_night: dict[date, list[Offer]] = defaultdict(list)
    for offer in offers:
        by_night[offer.night].append(offer)
    added = 0
    for night, own in by_night.items():
        asked = build_questions(app, dimension, own)

        def ask_again(
            before: list[ReviewQuestion],
            asked: dict[tuple[str, str], ReviewQuestion] = asked,
        ) -> list[ReviewQuestion]:
            return list(({(one.trace_id, one.labels): one for one in before} | asked).values())

        changed = change_review_queue(lake, night, ask_again)
        added += len(set(changed.after) - set(changed.before))
    return added


def build_questions(
    app: str, dimension: str, offers: Sequence[Offer]
) -> dict[tuple[str, str], ReviewQuestion]:
    """Builds the questions about offers, by trace and the labels' name of the dimension.

    As many people are asked as have labels among the offers: new and old ones would only tie.
    """
    people = Counter(one.label.subject_id for one in offers)
    return {
        (label.subject_id, label.dimension): ReviewQuestion(
            label.subject_id,
            app,
            dimension,
            label.dimension,
            offer.question,
            "the question changed",
            label.sampling_probability,
            reasons=(REGRADE,),
            stratum=REGRADE,
            rubric_version=digest_wording(offer.question),
            people=people[label.subject_id],
            answer=label.answer,
        )
        for offer in offers
        for label in (offer.label,)
    }
