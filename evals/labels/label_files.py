"""Imports labels and gold values into the lake: from labels files, and those found in exports.

A row that no suite can use is refused, and tried again when its file is imported again.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

from evals.evaluators.label_verdicts import is_from_people
from evals.labels.label_checks import LabelChecks
from evals.labels.label_lines import LabelRow, RefusedLine, read_labels
from evals.labels.staged_subjects import (
    StagedSubject,
    bind_to_answer,
    list_near_nights,
    read_subjects,
)
from evals.privacy.redaction import name_without_secrets
from evals.privacy.row_filter import PrivacyFilter
from evals.records import GoldValue, Label, digest
from evals.specs import Catalog
from evals.storage.documents.label_batches import (
    add_label_batches,
    read_arrivals,
    read_batch_nights,
    record_arrivals,
    record_refused,
)
from evals.storage.label_records import has_batch, write_gold_values, write_labels
from evals.storage.lake import Lake, with_home_lock
from evals.storage.verdict_files import read_verdicts
from evals.traces.files.streams import file_sha

SHOWN_LINES = 5
"""Lines that a message names."""


class Batch(NamedTuple):
    """Labels and gold values that are imported together."""

    labels: Sequence[Label] = ()
    gold_values: Sequence[GoldValue] = ()

    def trace_ids(self) -> set[str]:
        """Returns the ids of the labelled traces."""
        return {one.subject_id for one in (*self.labels, *self.gold_values)}


class LabelImport(NamedTuple):
    """What became of the rows of a labels file."""

    path: Path
    added: int = 0
    """Labels and gold values."""
    waiting: int = 0
    """Of those added, the ones whose trace has not arrived yet."""
    errors: int = 0
    """Of those added, verdicts of judges and rules that the suite does not map: error rows."""
    blank: int = 0
    """Rows without a person's verdict."""
    refused: tuple[RefusedLine, ...] = ()
    was_added_before: bool = False

    def describe_refused(self, most: int | None = None) -> list[str]:
        """Returns a line for each reason, with the file and the lines that were refused for it.

        Args:
            most: how many rows to list; a last line counts the others. None: all.
        """
        shown = self.refused if most is None else self.refused[:most]
        lines: dict[str, list[int]] = {}
        for row in shown:
            lines.setdefault(row.reason, []).append(row.line)
        described = [f"{self.path}:{list_lines(at)}: {reason}" for reason, at in lines.items()]
        if len(shown) == len(self.refused):
            return described
        more = (
            f"{len(self.refused) - len(shown)} more rows refused; `andon labels import` lists all"
        )
        return [*described, f"{self.path}: {more}"]


def list_lines(lines: Sequence[int]) -> str:
    """Lists numbers of lines: the first ones, and how many there are."""
    first = ", ".join(map(str, lines[:SHOWN_LINES]))
    return f"{first}, … ({len(lines):,} rows)" if len(lines) > SHOWN_LINES else first


@with_home_lock
def import_labels(
    lake: Lake, catalog: Catalog, path: Path, now: datetime | None = None
) -> LabelImport:
    """Adds a labels file to the lake; of a file that was added before, only its refused rows.

    Args:
        lake: takes the labels.
        catalog: its suites say which dimensions and words there are.
        path: JSON lines, a list or a table, gzipped or not.
        now: the present; None: it is not recorded when the file arrived.
    """
    name = file_sha(path)[:16]
    is_known, arrival = is_stored(lake, name), read_arrivals(lake).get(name)
    again = arrival.refused if is_known and arrival else ()
    if is_known and not again:
        return LabelImport(path, was_added_before=True)
    file = read_labels(path, name, again)
    privacy_filter = PrivacyFilter.load(lake, catalog)
    every = [row.value for row in file.rows]
    ids, sessions = hash_ids(privacy_filter, every), hash_sessions(privacy_filter, every)
    staged = read_subjects(lake, ids, sessions)
    sorted_rows = sort_rows(LabelChecks(catalog), privacy_filter, file.rows, staged)
    refused = tuple(sorted((*file.refused, *sorted_rows.refused)))
    values = sorted_rows.accepted
    batch = Batch(
        [value for value in values if isinstance(value, Label)],
        [value for value in values if isinstance(value, GoldValue)],
    )
    batches = {name: batch}
    if again:
        batches = {f"{name}-{digest([row.line for row in file.rows], 8)}": batch} if values else {}
    record_arrivals(lake, [name], now)
    added = add_batches(lake, privacy_filter, batches, now)
    shown_name = privacy_filter.hash_identity(name_without_secrets(path.name))
    record_refused(lake, name, shown_name, [row.line for row in refused])
    return LabelImport(path, added, sorted_rows.waiting, sorted_rows.errors, file.blank, refused)


def is_stored(lake: Lake, name: str) -> bool:
    """Whether a batch was added; one that is about some nights and whose file is gone was not."""
    nights = read_batch_nights(lake).get(name)
    return nights is not None and (not nights or has_batch(lake, name))


class SortedRows(NamedTuple):
    """The rows of a file, checked against the suites."""

    accepted: list[Label | GoldValue]
    refused: list[RefusedLine]
    waiting: int
    errors: int


def sort_rows(
    checks: LabelChecks,
    privacy_filter: PrivacyFilter,
    rows: Iterable[LabelRow],
    staged: Mapping[str, Sequence[StagedSubject]],
) -> SortedRows:
    """Refuses the rows that no suite can use.

    A verdict of a judge or rule that the suite does not map is accepted: it becomes an error row,
    which is counted, since the judge was asked and gave no usable verdict.
    """
    sorted_rows = SortedRows([], [], 0, 0)
    waiting = errors = 0
    for line, value in rows:
        trace_id = privacy_filter.hash_identity(value.subject_id)
        traces = staged.get(trace_id, ())
        problem = checks.find_problem(value, traces[-1].app if traces else None)
        is_verdict = problem is not None and problem.code == "unmapped-verdict"
        if is_verdict and isinstance(value, Label) and value.status != "given":
            problem, is_verdict = None, False
        if problem and not (is_verdict and isinstance(value, Label) and not is_from_people(value)):
            sorted_rows.refused.append(RefusedLine(line, problem.words))
            continue
        sorted_rows.accepted.append(value)
        waiting += not traces and not privacy_filter.is_forgotten(trace_id)
        errors += problem is not None
    return sorted_rows._replace(waiting=waiting, errors=errors)


def hash_ids(privacy_filter: PrivacyFilter, values: Iterable[Label | GoldValue]) -> set[str]:
    """Returns the ids of labelled traces as the home stores them."""
    return {privacy_filter.hash_identity(value.subject_id) for value in values}


def hash_sessions(privacy_filter: PrivacyFilter, values: Iterable[Label | GoldValue]) -> set[str]:
    """Returns the ids of labelled sessions as the home stores them."""
    return hash_ids(privacy_filter, (one for one in values if one.subject == "session"))


def add_batches(
    lake: Lake,
    privacy_filter: PrivacyFilter,
    batches: Mapping[str, Batch],
    now: datetime | None = None,
) -> int:
    """Adds batches by name, and records the nights each changes, which are scored again.

    A label that names no answer is bound to the stored one. Reads only nights that have one of
    the traces.
    """
    if not batches:
        return 0
    ids = {
        privacy_filter.hash_identity(one) for batch in batches.values() for one in batch.trace_ids()
    }
    labels = [one for batch in batches.values() for one in batch.labels]
    staged = read_subjects(lake, ids, hash_sessions(privacy_filter, labels))
    record_arrivals(lake, batches, now)
    touched: dict[str, set[date]] = {}
    added = 0
    for name, batch in batches.items():
        rows = [
            row for one in batch.trace_ids() for row in staged[privacy_filter.hash_identity(one)]
        ]
        added += add_batch(lake, privacy_filter, name, batch, staged)
        touched[name] = list_near_nights(lake, rows)
    add_label_batches(lake, touched)
    return added


def add_batch(
    lake: Lake,
    privacy_filter: PrivacyFilter,
    name: str,
    batch: Batch,
    staged: Mapping[str, Sequence[StagedSubject]],
) -> int:
    """Adds one batch, redacted, each label bound to its answer; returns how many were added."""

    def app(trace_id: str) -> str | None:
        rows = staged.get(privacy_filter.hash_identity(trace_id), ())
        return rows[-1].app if rows else None

    labels = [privacy_filter.filter_label(label, app(label.subject_id)) for label in batch.labels]
    values = [
        privacy_filter.filter_gold_value(value, app(value.subject_id))
        for value in batch.gold_values
    ]
    filtered = [bind_to_answer(one, staged.get(one.subject_id, ())) for one in labels if one]
    bound = list(replace_edited(lake, filtered))
    gold = [value for value in values if value]
    if bound:
        write_labels(lake, bound, name)
    if gold:
        write_gold_values(lake, gold, name)
    return len(bound) + len(gold)


def replace_edited(lake: Lake, labels: Iterable[Label]) -> Iterator[Label]:
    """Yields labels; one that was recorded here, and edited since it was exported, replaces it.

    It would count no more than the recorded one, whose id it has.
    """
    recorded = {row.label.id: row.label for row in read_verdicts(lake)}
    for label in labels:
        before = recorded.get(label.id)
        is_same_vote = before is not None and identify_vote(label) == identify_vote(before)
        if is_same_vote and label != before:
            yield dataclasses.replace(label, id="", supersedes=label.id)
        else:
            yield label


def identify_vote(label: Label) -> tuple[str, ...]:
    """Returns who judged what."""
    about = (label.subject, label.subject_id, label.dimension)
    return (*about, label.annotator, label.annotator_kind)


def add_label_files(
    lake: Lake, catalog: Catalog, more: Iterable[Path] = (), now: datetime | None = None
) -> list[LabelImport]:
    """Adds the catalog's label files and some more; returns what became of each."""
    paths = list_label_files((*catalog.label_files, *more))
    return [import_labels(lake, catalog, path, now) for path in paths]


LABELS_FILE = re.compile(r"[^.].*\.(jsonl|ndjson|json|csv|tsv|parquet)(\.gz)?", re.IGNORECASE)
"""The names of files of labels in a folder."""


def list_label_files(paths: Iterable[Path]) -> list[Path]:
    """Lists files of labels: of a folder those in it, by name."""
    listed: list[Path] = []
    for path in paths:
        inside = sorted(path.iterdir()) if path.is_dir() else []
        listed += [one for one in inside if one.is_file() and LABELS_FILE.fullmatch(one.name)]
        listed += [] if path.is_dir() else [path]
    return listed
