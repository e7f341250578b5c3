"""Records the verdicts that people give one at a time, and takes them back.

Nothing that was recorded is changed or removed: a verdict replaces another by naming it. How they
are stored is `evals.storage.verdict_files`', which answers to judge `review_queue`'s.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import UTC, datetime

from evals.evaluators.label_verdicts import is_from_people, map_verdict
from evals.labels.label_checks import LabelChecks
from evals.labels.staged_subjects import bind_to_answer, list_near_nights, read_subjects
from evals.privacy.row_filter import PrivacyFilter
from evals.records import Json, Label, Outcome
from evals.specs import Catalog
from evals.specs.label_rules import LabelRules, parse_condition
from evals.storage.label_records import read_every_label
from evals.storage.label_rows import drop_superseded, encode_label
from evals.storage.lake import Lake, with_home_lock
from evals.storage.verdict_files import LOCK, VerdictRow, append_verdict, read_verdicts

DEFER = "defer"
LONGEST_NOTE = 20_000
"""Characters of a note."""


class RefusedVerdict(ValueError):
    """A verdict that cannot be recorded; the message gives the reason and what to do."""


@with_home_lock
def record_label(lake: Lake, catalog: Catalog, label: Label, now: datetime) -> Label:
    """Records a person's label, which replaces the same annotator's label of the same answer.

    The verdict `pass` or `fail` becomes the suite's own word for it; `defer`, with a reason in
    `critique`, is no vote. The note and the tags are redacted; a label that names no answer is
    bound to the stored one. A label whose `id` was recorded before is not recorded again.

    Args:
        lake: takes the label.
        catalog: its suites say which dimensions and words there are.
        label: its verdict is `pass`, `fail`, `defer`, or a word of the suite.
        now: the time of the label, unless it has one.

    Returns:
        The label as it is stored, with its id.

    Raises:
        RefusedVerdict: no suite can use it, its trace has not arrived, or was forgotten.
        OSError: it was not stored, as on a full disk.
    """
    check_form(label)
    privacy = PrivacyFilter.load(lake, catalog)
    stored_id = privacy.hash_identity(label.subject_id)
    is_of_session = label.subject == "session"
    rows = read_subjects(lake, [stored_id], [stored_id] if is_of_session else [])[stored_id]
    app = rows[-1].app if rows else None
    if app is None and label.subject == "trace":
        raise RefusedVerdict(f"no trace {stored_id} in this home; import its export first")
    label = translate_verdict(LabelChecks(catalog), label, app)
    clean = redact_label(privacy, label, app)
    bound = bind_to_answer(clean, rows)
    timed = dataclasses.replace(bound, time=(bound.time or now).astimezone(UTC))
    nights = tuple(sorted(list_near_nights(lake, rows)))
    return append_label(lake, VerdictRow(timed, app or "", nights), now)


def check_form(label: Label) -> None:
    """Refuses a label that is not a person's or that would not be one line of reasonable size.

    Raises:
        RefusedVerdict: naming the field.
    """
    if not is_from_people(label):
        raise RefusedVerdict(
            f"`annotator_kind` is {label.annotator_kind!r}; expected human or adjudicated"
        )
    if not label.annotator.strip():
        raise RefusedVerdict("`annotator` is empty; expected who judges")
    if len(label.critique) > LONGEST_NOTE:
        raise RefusedVerdict(f"the note has more than {LONGEST_NOTE:,} characters; shorten it")
    chance = label.sampling_probability
    if chance is not None and not 0 < chance <= 1:
        raise RefusedVerdict(f"`sampling_probability` is {chance}; expected above 0, at most 1")
    if label.seconds_spent is not None and not 0 <= label.seconds_spent < float("inf"):
        raise RefusedVerdict(f"`seconds_spent` is {label.seconds_spent}; expected 0 or more")


def translate_verdict(checks: LabelChecks, label: Label, app: str | None) -> Label:
    """Returns a label with the suite's word for its verdict, or as deferred.

    Raises:
        RefusedVerdict: the suite has no such dimension, or no such word.
    """
    if label.verdict == DEFER:
        label = dataclasses.replace(label, status="deferred")
    dimensions = (checks.find_vocabulary(app) or {}).get(label.dimension, ())
    for dimension in dimensions[:1] if label.status == "given" else ():
        word = choose_word(dimension.label_rules, label)
        label = dataclasses.replace(label, verdict=word)
    problem = checks.find_problem(label, app)
    if problem and not (label.status == "deferred" and problem.code == "unmapped-verdict"):
        raise RefusedVerdict(problem.words)
    return label


def choose_word(rules: LabelRules, label: Label) -> Json:
    """Returns the suite's word for a `pass` or `fail` that its map does not have."""
    mapping = rules.map_for(label.annotator_kind)
    is_word = isinstance(map_verdict(mapping, label.verdict), Outcome)
    if is_word or label.verdict not in ("pass", "fail"):
        return label.verdict
    words = (word for word, meaning in mapping.items() if meaning == label.verdict)
    return next((word for word in words if not parse_condition(word)), label.verdict)


def redact_label(privacy: PrivacyFilter, label: Label, app: str | None) -> Label:
    """Returns a label without personal data in its note and its tags.

    Raises:
        RefusedVerdict: its trace was forgotten.
    """
    clean = privacy.filter_label(label, app)
    if clean is None:
        raise RefusedVerdict("this trace was forgotten at someone's wish; go to the next one")
    return clean


def append_label(lake: Lake, row: VerdictRow, now: datetime) -> Label:
    """Appends a label under the lock, naming the annotator's current label as replaced."""
    with lake.lock(LOCK):
        earlier = [one.label for one in read_verdicts(lake)]
        same = next((one for one in earlier if one.id == row.label.id), None)
        if row.label.id and same:
            return same
        label = row.label
        if not label.supersedes:
            replaced = find_current(earlier, label)
            label = dataclasses.replace(label, supersedes=replaced and replaced.id)
        label = dataclasses.replace(label, id=str(encode_label(label)["id"]))
        append_verdict(lake, now.astimezone(UTC).date(), row._replace(label=label))
    return label


def find_current(labels: Iterable[Label], label: Label) -> Label | None:
    """Finds the latest label that an annotator gave of the same answer and that still counts."""
    own = [one for one in labels if identify_answer_vote(one) == identify_answer_vote(label)]
    return next(reversed(drop_superseded(own)), None)


def identify_answer_vote(label: Label) -> tuple[str, ...]:
    """Returns what two labels share if one can replace the other."""
    about = (label.subject, label.subject_id, label.dimension, label.answer, label.origin)
    return (*about, label.annotator, label.annotator_kind)


@with_home_lock
def withdraw_label(lake: Lake, label_id: str, annotator: str, now: datetime) -> Label:
    """Takes back a recorded label: what it had replaced is current again.

    Returns:
        The withdrawal, which is stored beside the label.

    Raises:
        RefusedVerdict: no such label was recorded one at a time, or it is another annotator's.
    """
    with lake.lock(LOCK):
        rows = read_verdicts(lake)
        before = find_withdrawal(rows, label_id)
        if before:
            return before
        row = find_own(rows, label_id, annotator)
        label = build_withdrawal(row.label, now)
        append_verdict(lake, now.astimezone(UTC).date(), row._replace(label=label))
    return label


def find_withdrawal(rows: Iterable[VerdictRow], label_id: str) -> Label | None:
    """Finds the withdrawal of a label."""
    withdrawn = (row.label for row in rows if row.label.status == "withdrawn")
    return next((one for one in withdrawn if one.supersedes == label_id), None)


def find_own(rows: Iterable[VerdictRow], label_id: str, annotator: str) -> VerdictRow:
    """Finds an annotator's label by its id.

    Raises:
        RefusedVerdict: there is none, or it is another annotator's.
    """
    row = next((one for one in rows if one.label.id == label_id), None)
    if row is None or row.label.status == "withdrawn":
        raise RefusedVerdict(f"no label {label_id!r} to withdraw; reload the page")
    if row.label.annotator != annotator:
        raise RefusedVerdict(f"label {label_id!r} is another annotator's")
    return row


def build_withdrawal(label: Label, now: datetime) -> Label:
    """Returns the row that takes a label back."""
    taken = dataclasses.replace(
        label,
        verdict="withdrawn",
        critique="",
        tags=(),
        status="withdrawn",
        supersedes=label.id,
        time=now.astimezone(UTC),
        seconds_spent=None,
        id="",
    )
    return dataclasses.replace(taken, id=str(encode_label(taken)["id"]))


def read_history(lake: Lake, subject_id: str) -> list[Label]:
    """Reads every label of a trace or session: replaced, deferred and withdrawn ones, too."""
    return [label for label in read_every_label(lake) if label.subject_id == subject_id]
