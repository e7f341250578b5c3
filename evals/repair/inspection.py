"""Reads every file of a home, and yields a sentence for each that is damaged or missing.

Changes nothing. What a run makes again by itself is in `mending`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

from evals.storage import ledger, report_files, verdict_files
from evals.storage.checksums import verify_checksum
from evals.storage.damage import ASIDE, detect_damage, explain_damage, name_file
from evals.storage.documents import (
    batch_jobs,
    blessed_baselines,
    carried_turns,
    departures,
    forget_requests,
    inbox_files,
    incident_decisions,
    incident_names,
    label_batches,
    pull_cursors,
    review_queues,
    tombstones,
    topic_models,
)
from evals.storage.documents.evaluator_specs import read_evaluator_file
from evals.storage.errors import DamagedFileError, LakeError
from evals.storage.file_kinds import find_kind
from evals.storage.label_records import read_rows
from evals.storage.lake import Lake
from evals.storage.night_state import list_stored_nights, read_state
from evals.storage.parquet_files import verify_file
from evals.storage.report_files import ReportVersion, locate_report_file
from evals.storage.sqlite_files import is_intact
from evals.storage.store import read_file_states

Read = Callable[[Lake, str], object]
Progress = Callable[[str, int, int], None]
SCRATCH = ("inbox", "locks", "runs")
"""Folders without records of the home: exports, which imports judge, locks, scratch files."""


class Damage(NamedTuple):
    """A file that is damaged, missing or left aside."""

    name: str
    sentence: str
    is_lost: bool
    """Whether no run makes it again."""


def read_dated(read: Callable[[Lake, date], object]) -> Read:
    """Returns a reader of a document that is named by a night."""
    return lambda lake, name: read(lake, date.fromisoformat(Path(name).stem))


DOCUMENTS: Mapping[str, Read] = {
    "nights": read_dated(read_state),
    "sessions": read_dated(carried_turns.read_carried),
    "left": read_dated(departures.read_departures),
    "review": read_dated(review_queues.read_review_queue),
    "evaluators": read_evaluator_file,
    "inbox_files.json": lambda lake, name: inbox_files.read_inbox_files(lake),
    "label_batches.json": lambda lake, name: label_batches.read_batch_nights(lake),
    "label_arrivals.json": lambda lake, name: label_batches.read_arrivals(lake),
    "blessed_baselines.json": lambda lake, name: blessed_baselines.read_baselines(lake),
    "incident_decisions.json": lambda lake, name: incident_decisions.read_every_decision(lake),
    incident_names.NAME: lambda lake, name: incident_names.read_names(lake),
    "topic_models": topic_models.read_model,
    tombstones.NAME: tombstones.read_one,
    tombstones.COPY: tombstones.read_one,
    "schema.json": lambda lake, name: lake.is_open(),
    "batches": lambda lake, name: batch_jobs.read_job(lake, Path(name).stem),
}
"""Readers of documents by the first part of their names, where their shape is checked, too."""


def inspect_home(lake: Lake, report: Progress = lambda words, done, of: None) -> Iterator[Damage]:
    """Yields what is damaged in a home, file by file.

    Args:
        lake: the home, which is only read.
        report: called with what is read, how many files are done, and of how many.
    """
    names = [name for name in lake.store.walk() if name.split("/")[0] not in SCRATCH]
    for number, name in enumerate(names):
        report("reading the home", number, len(names))
        yield from inspect_file(lake, name)
    report("reading the home", len(names), len(names))
    yield from find_missing(lake)


def inspect_file(lake: Lake, name: str) -> Iterator[Damage]:
    """Yields a file's damage, if it has any."""
    path = lake.store.path(name)
    if ASIDE in path.name:
        words = f"{path} was set aside as damaged; delete it once nothing in it is missed"
        yield Damage(name, words, is_lost=False)
        return
    try:
        read_file(lake, name, path)
    except FileNotFoundError:  # a run that goes on has replaced it
        return
    except LakeError as error:
        yield Damage(name, str(error), not find_kind(name).is_derived)


def read_file(lake: Lake, name: str, path: Path) -> None:
    """Reads a whole file.

    Raises:
        LakeError: it is damaged.
    """
    top = name.split("/")[0]
    if path.suffix == ".parquet":
        for state in read_file_states([path]):
            verify_file(path, state)
    elif path.name == "report.json":
        _, night, app, version, _ = name.split("/")
        report_files.read_report(lake, date.fromisoformat(night), app, version)
    elif path.suffix in (".sqlite", ".db"):
        if not is_intact(path, every_page=True):
            raise explain_damage(path)
    elif verdict_files.is_verdict_file(path):
        verdict_files.read_whole_file(path)
    elif path.suffix == ".jsonl":
        read_lines(path, is_label=top in ("labels", "gold"), is_journal=top == "journal")
    elif name.startswith(forget_requests.FOLDER):
        forget_requests.read_request(lake, name)
    elif path.suffix == ".json":
        read_json(lake, name, path)


def read_json(lake: Lake, name: str, path: Path) -> None:
    """Reads a document: its checksum, and its shape where a run depends on it."""
    with detect_damage(path):
        value = verify_checksum(json.loads(path.read_bytes()))
        if name.startswith(f"{pull_cursors.FOLDER}/") and not name.endswith(pull_cursors.SEEN):
            pull_cursors.parse_cursor(dict(value) if isinstance(value, dict) else {"": value})
    read = DOCUMENTS.get(name.split("/")[0])
    if read:
        read(lake, name)


def read_lines(path: Path, *, is_label: bool, is_journal: bool) -> None:
    """Reads a file of JSON lines; the last line of a journal may be cut."""
    if is_label:
        list(read_rows(path))
        return
    with detect_damage(path), path.open("rb") as file:
        for line in file:
            if is_journal and line.endswith(b"\n"):
                ledger.parse_answer(line)
            elif not is_journal:
                json.loads(line)


def find_missing(lake: Lake) -> Iterator[Damage]:
    """Yields the files that a night's state or another file expects and that do not exist."""
    from evals.repair.inbox_record import find_damaged
    from evals.repair.label_record import find_damaged_batches
    from evals.repair.mending import list_missing_parts

    expected: list[Path] = []
    batches: list[Path] = []
    if lake.store.find_entry(tombstones.COPY):
        expected.append(lake.store.path(tombstones.NAME))
    try:
        for night in list_stored_nights(lake):
            state = read_state(lake, night)
            expected += [
                locate_report_file(lake, ReportVersion(night, app, version))
                for app, version in state.reports.items()
            ]
            expected += [
                lake.store.path(f"evaluators/{name}@{app}@{version}.json")
                for app, own in state.evaluators.items()
                for name, version in own.items()
            ]
        expected += [path for paths in find_damaged(lake).values() for path in paths]
        batches = list(find_damaged_batches(lake))
        expected += batches
        expected += list_missing_parts(lake)
    except DamagedFileError:  # of the file itself, which has its own sentence
        return
    for path in dict.fromkeys(expected):
        if not path.exists() or (path in batches and not path.stat().st_size):
            name = name_file(path)
            yield Damage(name, str(explain_damage(path)), not find_kind(name).is_derived)
