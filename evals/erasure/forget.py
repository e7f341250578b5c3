"""A person or a trace forgotten: found, remembered as a keyed hash, and taken out of the home.

What a word is in a file is `scrubbing`'s; what later imports refuse, `privacy`'s.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from evals.calls import day_budget
from evals.erasure import requests
from evals.erasure.requests import ErasureRequest, Person
from evals.ingest.inbox import list_inbox
from evals.ingest.staging import import_file
from evals.privacy import redaction, scrubbing
from evals.privacy.redaction import PrivacyFilter
from evals.privacy.scrubbing import Words
from evals.readable import make_name_readable
from evals.records import Trace, digest
from evals.reports import assembly, redact_text
from evals.specs import Catalog
from evals.storage import id_index
from evals.storage.documents import tombstones
from evals.storage.documents.inbox_stamps import read_stamps
from evals.storage.documents.pull_cursors import restart_windows
from evals.storage.documents.review_queues import drop_questions
from evals.storage.documents.tombstones import add_forgotten
from evals.storage.label_records import change_rows
from evals.storage.lake import Lake, quoted
from evals.storage.report_files import has_reports
from evals.storage.tables import from_rows
from evals.traces.files.streams import file_sha

MARK = "[forgotten]"
IDS_ALONE = ("reports", "evaluators", "candidates", "labels", "gold")
"""Folders whose texts are others' too: only ids are taken out of them, beside what is told here."""
TEXT_FIELDS = ("input", "output", "steps", "metadata", "feedback", "tags")


class ErasureResult(NamedTuple):
    """What came of a wish."""

    ids: tuple[tuple[str, ...], tuple[str, ...]]
    """Users and traces, as they were asked for."""
    nights: dict[str, int]
    """Traces by ISO night."""
    outside: tuple[str, ...]
    """Files beyond the home that its traces were read from."""
    touched: dict[str, int]
    """How much was touched, by place; `left`: files in which an id still stands."""


def find_person(
    lake: Lake, catalog: Catalog, users: Sequence[str], traces: Sequence[str]
) -> Person:
    """What the lake has of some users and traces, ids as their systems know them or as hashed."""
    door = PrivacyFilter.load(lake, catalog)
    hashed = tuple(filter(None, (door.hash_user(user) for user in users)))
    asked = {door.hash_identity(trace) for trace in traces}
    listed = ", ".join(map(quoted, sorted(asked))) or "null"
    whose = ", ".join(map(quoted, hashed)) or "null"
    where = f"trace_id in ({listed}) or user_id in ({whose})"
    found: dict[str, Trace] = {}
    nights: Counter[str] = Counter()
    for table in ("staged", "traces"):
        rows = lake.rows(f"select * from {table} where {where}", {table: None})  # noqa: S608  quoted
        for trace in from_rows(Trace, rows):
            nights[trace.ts.date().isoformat()] += trace.trace_id not in found
            found.setdefault(trace.trace_id, trace)
    ids = tuple(sorted({*asked, *found}))
    keys, said = find_scored(lake, set(ids))
    texts = {text for trace in found.values() for text in list_texts(trace)} | said
    files = {trace.source_file for trace in found.values()}
    return Person(
        traces=ids,
        users=hashed,
        names=tuple(sorted({*users, *traces})),
        texts=tuple(sorted(texts)),
        contents=tuple(sorted(keys)),
        files=tuple(sorted(files)),
        outside=tuple(find_outside(lake, files)),
        nights=dict(sorted((night, n) for night, n in nights.items() if n)),
    )


def list_texts(trace: Trace) -> Iterator[str]:
    """What was said in a trace by and to the person; instructions are everybody's."""
    for name in TEXT_FIELDS:
        yield from scrubbing.list_strings(getattr(trace, name))
    for message in trace.messages:
        if not isinstance(message, dict) or message.get("role") not in ("system", "developer"):
            yield from scrubbing.list_strings(message)


def find_scored(lake: Lake, traces: set[str]) -> tuple[set[str], set[str]]:
    """Content keys that only these traces have, and what evaluators said of them."""
    own: set[str] = set()
    others: set[str] = set()
    said: set[str] = set()
    sql = "select trace_id, answer_version, content_key, explanation from scores"
    for row in lake.rows(sql, {"scores": None}):
        mine = row["trace_id"] in traces
        (own if mine else others).add(row["content_key"])
        if mine and row["answer_version"] and row["explanation"]:
            said.add(row["explanation"])
    for canary in lake.read("canaries"):  # a copy with an attack in it has no score
        keys = (canary.clean_key, canary.attacked_key)
        (own if canary.trace_id in traces else others).update(keys)
    keys = own - others - {None}
    listed = ", ".join(map(quoted, sorted(keys))) or "null"
    answers = (
        "select content_key, text from answers"  # noqa: S608  quoted
        f" where split_part(content_key, '.', 1) in ({listed})"
    )
    paid = lake.rows(answers, {"answers": None})
    said |= {row["text"] for row in paid if row["text"]}
    return keys | {row["content_key"] for row in paid}, said  # a judge may be asked repeatedly


def forget_person(
    lake: Lake, catalog: Catalog, users: Sequence[str], traces: Sequence[str], now: datetime
) -> ErasureResult:
    """Takes users and traces out of the home; killed and run again it goes on where it was.

    The wish is noted before anything is looked for. One of the same ids that an earlier run began
    is part of it.
    """
    wish = requests.write_request(
        lake, ErasureRequest(now.isoformat(), tuple(users), tuple(traces))
    )
    done = finish_requests(lake, catalog)
    same = [one for one in done if one.ids == wish.ids]
    nights: Counter[str] = Counter()
    touched: Counter[str] = Counter()
    for one in same:
        nights.update(one.nights)
        touched.update(one.touched)
    beyond = {path for one in same for path in one.outside}
    return ErasureResult(
        wish.ids, dict(sorted(nights.items())), tuple(sorted(beyond)), dict(touched)
    )


def finish_requests(lake: Lake, catalog: Catalog) -> list[ErasureResult]:
    """Does every wish that was noted, the oldest first; one process at a time.

    Raises:
        HomeInUse: somebody uses the home; what was noted stays for the next run.
        LakeError: a note cannot be read.
    """
    if not requests.list_unfinished(lake):
        return []
    with lake.lock("forgetting"):
        return [complete_request(lake, catalog, wish) for wish in requests.list_unfinished(lake)]


def complete_request(lake: Lake, catalog: Catalog, wish: ErasureRequest) -> ErasureResult:
    """Does one wish; each step may be repeated."""
    day_budget.recover_runs(lake)
    if wish.person is None:
        wish = requests.record_person(
            lake, wish, find_person(lake, catalog, wish.users, wish.traces)
        )
    person = wish.person or Person()
    write_tombstones(lake, person, wish.asked)
    done = Counter({"raw files": delete_raw_files(lake, catalog, person)})
    with lake.used(alone=True):
        requests.drop_leftovers(lake)
        for place, touched in erase_places(lake, person):
            done[place] += touched
    done["left"] = len(list(find_remaining(lake, person)))
    requests.remove_request(lake, wish)
    return ErasureResult(wish.ids, person.nights, person.outside, dict(done))


def write_tombstones(lake: Lake, person: Person, until: str) -> None:
    """Keeps tombstones: keyed hashes of the traces, and the users up to a moment in ISO form."""
    key = redaction.load_user_key(lake)
    traces = (redaction.hash_tombstone(key, trace) for trace in person.traces)
    add_forgotten(lake, traces, person.users, datetime.fromisoformat(until))


def delete_raw_files(lake: Lake, catalog: Catalog, person: Person) -> int:
    """Removes raw files of the home that hold it, once the rest of their rows is staged."""
    names = scrubbing.build_words(person.list_ids(), mark=MARK)
    dropped = 0
    for path in list_inbox(lake.raw_folder()):
        if make_name_readable(path.name) in person.files or scrubbing.contains_words(path, names):
            if file_sha(path) not in lake.inbox_files():
                import_file(lake, catalog, path)
            path.unlink()
            dropped += 1
    return dropped


def erase_places(lake: Lake, person: Person) -> Iterator[tuple[str, int]]:
    """Each place in turn, with how much was touched; each may be repeated."""
    shutil.rmtree(lake.home / "runs", ignore_errors=True)
    shutil.rmtree(lake.home / id_index.FOLDER, ignore_errors=True)
    restart_windows(lake)
    every = scrubbing.build_words(person.list_ids(), person.texts, mark=MARK)
    names = scrubbing.build_words(person.list_ids(), mark=MARK)
    reports = redact_text.redact_reports(lake, lambda one: one.trace_id in person.traces, MARK)
    yield "reports", len(reports)
    yield "review", drop_questions(lake, set(person.traces).__contains__)
    yield "labels", delete_labels(lake, person, "labels")
    yield "gold", delete_labels(lake, person, "gold")
    for path in list_files(lake.home):
        place = path.relative_to(lake.home).parts[0]
        tables = path.suffix == ".parquet" and place != "quarantine"
        yield place, scrub_file(path, person, names if tables or place in IDS_ALONE else every)
    if has_reports(lake):
        assembly.write_board(lake)


def list_files(home: Path) -> list[Path]:
    """Every file of a home but the key, the locks and what a forgetting itself keeps."""
    kept = {home / "user_key", home / "user_key.json", home / tombstones.NAME}
    rooms = {home / "locks", home.joinpath(*requests.FOLDER)}
    found = (path for path in sorted(home.rglob("*")) if path.is_file() and not path.is_symlink())
    return [path for path in found if path not in kept and path.parent not in rooms]


def scrub_file(path: Path, person: Person, gone: Words) -> int:
    """Takes a person out of one file, whatever it is; SQLite takes its own side files away."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError:
        return 0
    if head.startswith(scrubbing.PARQUET):
        return scrub_table(path, person, gone)
    if head == scrubbing.SQLITE:
        return scrubbing.scrub_sqlite(path, gone)
    if path.suffix == ".duckdb" or path.name.endswith(("-wal", "-shm")):
        return 0  # views alone, which hold no row; a log that is folded into its database
    return int(scrubbing.scrub_text(path, gone))


def scrub_table(path: Path, person: Person, gone: Words) -> int:
    """Leaves out its rows, retires its answers, and takes its words out of what is nobody's row."""
    whose = {"trace_id": person.traces, "user_id": person.users, "content_key": person.contents}
    if not scrubbing.has_any_value(path, whose) and not scrubbing.contains_words(path, gone):
        return 0

    def keep(row: dict[str, Any]) -> bool:
        raw = row.get("raw")
        return not person.owns_row(row) and not (isinstance(raw, bytes) and gone.find_in(raw))

    def change(row: dict[str, Any]) -> dict[str, Any]:
        if "trace_id" not in row and row.get("content_key") in person.contents:
            return retire_answer(row)
        return {key: scrub_cell(value, gone) for key, value in row.items()}

    return scrubbing.scrub_parquet(path, keep, change)


def retire_answer(answer: dict[str, Any]) -> dict[str, Any]:
    """A paid answer that keeps its cost and says nothing; no content finds it again."""
    key = f"{MARK}{digest(answer['content_key'])}"
    return {**answer, "content_key": key, "text": None, "probability": None, "code": "forgotten"}


def scrub_cell(value: Any, gone: Words) -> Any:
    """A cell without its words."""
    return gone.replace_in_text(value) if isinstance(value, str) else value


def delete_labels(lake: Lake, person: Person, folder: str) -> int:
    """Removes its traces' labels or gold values from their files."""
    ids = set(person.traces)
    return change_rows(lake.home / folder, lambda row: None if row["subject_id"] in ids else row)


def find_remaining(lake: Lake, person: Person) -> Iterator[Path]:
    """Files of the home in which one of its ids still stands."""
    names = scrubbing.build_words(
        (one for one in person.list_ids() if len(one) >= scrubbing.SHORT_ID), mark=MARK
    )
    return (path for path in list_files(lake.home) if scrubbing.contains_words(path, names))


def find_outside(lake: Lake, names: set[str]) -> list[str]:
    """Files beyond the home, still where they were read, that have one of some names."""
    paths = map(Path, read_stamps(lake))
    away = (path for path in paths if not path.is_relative_to(lake.home))
    kept = (path for path in away if make_name_readable(path.name) in names)
    return sorted(str(path) for path in kept if path.exists())
