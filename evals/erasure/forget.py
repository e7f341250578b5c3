"""Forgets a person or a trace: finds it, keeps a keyed hash of it, and removes it from the home.

How words are removed from one file is `privacy.scrubbing`'s; what later imports refuse is
`privacy.row_filter`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

from evals.calls import day_budget
from evals.erasure.compared_answers import find_compared
from evals.erasure.unreferenced_answers import find_unreferenced
from evals.erasure.written_words import list_written
from evals.ingest.inbox import list_inbox
from evals.ingest.staging import import_file
from evals.privacy import id_hashes, scrubbing
from evals.privacy.row_filter import PrivacyFilter
from evals.privacy.scrubbing import Row, Words
from evals.readable import make_name_readable
from evals.records import Trace, digest
from evals.reports import board_pages, night_pages, redact_text
from evals.specs import Catalog
from evals.specs.cases import CASES, is_case_of, list_case_files
from evals.storage import id_index
from evals.storage.documents import forget_requests, tombstones, user_key
from evals.storage.documents.failure_modes import drop_from_taxonomies
from evals.storage.documents.forget_requests import ErasureRequest, Person
from evals.storage.documents.inbox_files import read_inbox_files
from evals.storage.documents.inbox_stamps import read_stamps
from evals.storage.documents.judge_candidates import drop_candidates
from evals.storage.documents.open_notes import drop_notes
from evals.storage.documents.pull_cursors import restart_windows
from evals.storage.documents.reading_lists import drop_listed
from evals.storage.documents.review_drafts import drop_drafts
from evals.storage.documents.review_queues import drop_questions
from evals.storage.documents.tombstones import add_forgotten
from evals.storage.files import replace
from evals.storage.label_records import change_label_rows
from evals.storage.label_rows import Row as LabelRow
from evals.storage.lake import Lake
from evals.storage.queries import query_tables, quote_text
from evals.storage.record_tables import build_records
from evals.storage.report_files import has_reports
from evals.traces.files.streams import file_sha

MARK = "[forgotten]"
IDS_ALONE = ("reports", "evaluators", "candidates", "labels", "gold", "analysis")
"""Folders that hold texts of other people too: only ids are removed from their files; reports,
labels and notes have a step of their own."""
TEXT_FIELDS = ("input", "output", "steps", "metadata", "feedback", "tags")


class ErasureResult(NamedTuple):
    """What was erased for a request."""

    ids: tuple[tuple[str, ...], tuple[str, ...]]
    """The users and traces of the request."""
    nights: Mapping[str, int]
    """Traces by ISO night."""
    outside: tuple[str, ...]
    """Files outside the home that the traces were read from."""
    touched: dict[str, int]
    """Changed rows or files by place; `left`: files that still contain an id."""


class ScoredTexts(NamedTuple):
    """What evaluators produced for some traces alone."""

    keys: set[str]
    """Content keys of the paid answers that no other trace shares."""
    texts: set[str]
    """Explanations and answers."""


def find_person(
    lake: Lake, catalog: Catalog, users: Sequence[str], traces: Sequence[str]
) -> Person:
    """Finds what the lake has of some users and traces, given by their own or by hashed ids."""
    privacy = PrivacyFilter.load(lake, catalog)
    hashed = tuple(filter(None, (privacy.hash_user(user) for user in users)))
    requested = {privacy.hash_identity(trace) for trace in traces}
    listed, whose = list_literals(requested), list_literals(hashed)
    where = f"trace_id in ({listed}) or user_id in ({whose})"
    own: dict[str, Trace] = {}
    every: list[Trace] = []
    nights: Counter[str] = Counter()
    for table in ("staged", "traces"):
        rows = query_tables(lake, f"select * from {table} where {where}", {table: None})  # noqa: S608  quoted
        for trace in build_records(Trace, rows):
            nights[trace.ts.date().isoformat()] += trace.trace_id not in own
            own.setdefault(trace.trace_id, trace)
            every.append(trace)  # an answer that was replaced since has another text
    ids = tuple(sorted({*requested, *own}))
    scored = find_scored(lake, set(ids))
    texts = {text for trace in every for text in list_texts(trace)} | scored.texts
    compared = find_compared(lake, every)
    texts |= {one.explanation for one in compared if one.explanation}
    pairs = {one.content_key for one in compared if one.content_key}
    paid = read_paid(lake, pairs)
    texts |= paid.texts
    stale = find_unreferenced(lake, catalog, every)
    files = {trace.source_file for trace in every}
    return Person(
        traces=ids,
        users=hashed,
        names=tuple(sorted({*users, *traces})),
        texts=tuple(sorted(texts)),
        contents=tuple(sorted({*scored.keys, *pairs, *paid.keys, *stale})),
        compared=tuple(sorted({one.trace_id for one in compared})),
        sessions=tuple(sorted({one.session_id for one in every if one.session_id})),
        written=tuple(sorted(list_written(lake, every, set(ids)))),
        files=tuple(sorted(files)),
        outside=tuple(find_outside(lake, files)),
        nights=dict(sorted((night, n) for night, n in nights.items() if n)),
    )


def list_literals(values: Iterable[str]) -> str:
    """Returns values as SQL literals for an `in` list; `null`, which matches nothing, for none."""
    return ", ".join(map(quote_text, sorted(values))) or "null"


def list_texts(trace: Trace) -> Iterator[str]:
    """Yields the texts of a trace, without the system's instructions, which are not personal."""
    for name in TEXT_FIELDS:
        yield from scrubbing.list_strings(getattr(trace, name))
    for message in trace.messages:
        if not isinstance(message, dict) or message.get("role") not in ("system", "developer"):
            yield from scrubbing.list_strings(message)


def find_scored(lake: Lake, traces: set[str]) -> ScoredTexts:
    """Finds the content keys that only these traces have, and what evaluators wrote about them."""
    own: set[str | None] = set()
    others: set[str | None] = set()
    texts: set[str] = set()
    sql = "select trace_id, answer_version, content_key, explanation from scores"
    for row in query_tables(lake, sql, {"scores": None}):
        is_own = row["trace_id"] in traces
        (own if is_own else others).add(row["content_key"])
        if is_own and row["answer_version"] and row["explanation"]:
            texts.add(row["explanation"])
    for canary in lake.read("canaries"):  # a copy with an attack in it has no score
        keys = (canary.clean_key, canary.attacked_key)
        (own if canary.trace_id in traces else others).update(keys)
    for anchor in lake.read("anchors"):  # what another version reads has a key of its own
        (own if anchor.trace_id in traces else others).add(anchor.content_key)
    keys = {key for key in own - others if key is not None}
    paid = read_paid(lake, keys)
    return ScoredTexts(keys | paid.keys, texts | paid.texts)


def read_paid(lake: Lake, keys: set[str]) -> ScoredTexts:
    """Reads the paid answers to some contents.

    A judge may be asked repeatedly: each further answer has a key of its own.
    """
    answers = (
        "select content_key, text from answers"  # noqa: S608  quoted
        f" where split_part(content_key, '.', 1) in ({list_literals(keys)})"
    )
    paid = query_tables(lake, answers, {"answers": None})
    texts = {row["text"] for row in paid if row["text"]}
    return ScoredTexts({row["content_key"] for row in paid}, texts)


def forget_person(
    lake: Lake, catalog: Catalog, users: Sequence[str], traces: Sequence[str], now: datetime
) -> ErasureResult:
    """Removes users and traces from the home; killed and run again, it continues where it was.

    The request is stored before anything is deleted. An unfinished one of the same ids, from an
    earlier run, is part of the result.
    """
    request = forget_requests.write_request(
        lake, ErasureRequest(now.isoformat(), tuple(users), tuple(traces))
    )
    done = finish_requests(lake, catalog)
    same = [earlier for earlier in done if earlier.ids == request.ids]
    nights: Counter[str] = Counter()
    touched: Counter[str] = Counter()
    for earlier in same:
        nights.update(earlier.nights)
        touched.update(earlier.touched)
    outside = {path for earlier in same for path in earlier.outside}
    return ErasureResult(
        request.ids, dict(sorted(nights.items())), tuple(sorted(outside)), dict(touched)
    )


def finish_requests(lake: Lake, catalog: Catalog) -> list[ErasureResult]:
    """Completes every stored request, oldest first; one process at a time.

    Raises:
        HomeInUse: somebody uses the home; the requests stay for the next run.
        LakeError: a request cannot be read.
    """
    if not forget_requests.list_unfinished(lake):
        return []
    with lake.lock("forgetting"):
        return [
            complete_request(lake, catalog, request)
            for request in forget_requests.list_unfinished(lake)
        ]


def complete_request(lake: Lake, catalog: Catalog, request: ErasureRequest) -> ErasureResult:
    """Completes one request; each step may be repeated."""
    day_budget.recover_runs(lake)
    person = request.person
    if person is None:
        person = find_person(lake, catalog, request.users, request.traces)
        request = forget_requests.record_person(lake, request, person)
    write_tombstones(lake, person, request.asked)
    done = Counter({"raw files": delete_raw_files(lake, catalog, person)})
    with lake.lock_home(exclusive=True):
        forget_requests.delete_temporary_files(lake)
        for place, touched in erase_places(lake, catalog, person):
            done[place] += touched
    done["cases"] = delete_cases(lake, catalog, person)
    done["left"] = len(list(find_remaining(lake, person)))
    forget_requests.remove_request(lake, request)
    return ErasureResult(request.ids, person.nights, person.outside, dict(done))


def write_tombstones(lake: Lake, person: Person, until: str) -> None:
    """Stores keyed hashes of the traces, and the users up to a moment in ISO form."""
    key = id_hashes.load_user_key(lake)
    traces = (id_hashes.hash_tombstone(key, trace) for trace in person.traces)
    add_forgotten(lake, traces, person.users, datetime.fromisoformat(until))


def delete_raw_files(lake: Lake, catalog: Catalog, person: Person) -> int:
    """Deletes the home's raw files with rows of a person, once their other rows are staged."""
    names = scrubbing.build_words(person.list_ids(), mark=MARK)
    dropped = 0
    for path in list_inbox(lake.make_inbox_folder()):
        if make_name_readable(path.name) in person.files or scrubbing.contains_words(path, names):
            if file_sha(path) not in read_inbox_files(lake):
                import_file(lake, catalog, path, needs_columns=False)
            path.unlink()
            dropped += 1
    return dropped


def erase_places(lake: Lake, catalog: Catalog, person: Person) -> Iterator[tuple[str, int]]:
    """Yields each place with how much was removed there; each may be repeated."""
    lake.store.delete_folder("runs")
    id_index.delete_indexes(lake)
    restart_windows(lake)
    every = scrubbing.build_words(person.list_ids(), person.texts, mark=MARK)
    names = scrubbing.build_words(person.list_ids(), mark=MARK)
    written = scrubbing.build_words(person.list_ids(), (*person.texts, *person.written), mark=MARK)
    night_pages.empty_answers(lake, (*person.traces, *person.compared))
    gone = {*person.traces, *person.compared}
    reports = redact_text.redact_reports(lake, lambda example: example.trace_id in gone, MARK)
    yield "reports", len(reports)
    yield "review", drop_questions(lake, set(person.traces).__contains__)
    yield "review_drafts", drop_drafts(lake, set(person.traces).__contains__)
    yield "judge_candidates", drop_candidates(lake, set(person.traces).__contains__)
    yield "labels", delete_labels(lake, person, "labels")
    yield "gold", delete_labels(lake, person, "gold")
    yield "analysis", delete_notes(lake, person)
    for name in list_personal_files(lake):
        place = name.split("/")[0]
        is_table = name.endswith(".parquet") and place != "quarantine"
        words = every if place == "quarantine" else written  # a whole refused row goes with a word
        words = names if is_table or place in IDS_ALONE else words
        yield place, scrub_file(lake.store.path(name), person, words)
    if has_reports(lake):
        night_pages.write_emptied(lake, catalog)
        board_pages.write_board(lake)


def list_personal_files(lake: Lake) -> list[str]:
    """Returns the files of a home but its keys, its locks, its requests and its tombstones."""
    own = {user_key.KEY, user_key.CHECK, tombstones.NAME}
    folders = {"locks", forget_requests.FOLDER}
    names = lake.store.walk()
    return [name for name in names if name not in own and name.rpartition("/")[0] not in folders]


def scrub_file(path: Path, person: Person, words: Words) -> int:
    """Removes a person from one file of any kind; SQLite removes its own side files."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError:
        return 0
    if head.startswith(scrubbing.PARQUET):
        return scrub_table(path, person, words)
    if head == scrubbing.SQLITE:
        return scrubbing.scrub_sqlite(path, words)
    if path.suffix == ".duckdb" or path.name.endswith(("-wal", "-shm")):
        return 0  # views alone, which hold no row; a log that is folded into its database
    return int(scrubbing.scrub_text(path, words))


def scrub_table(path: Path, person: Person, words: Words) -> int:
    """Removes a person's rows, retires their answers, and removes their words from other rows."""
    about = (*person.traces, *person.compared)
    whose = {"trace_id": about, "user_id": person.users, "content_key": person.contents}
    if not scrubbing.has_any_value(path, whose) and not scrubbing.contains_words(path, words):
        return 0

    def is_kept(row: Row) -> bool:
        raw = row.get("raw")
        return not person.owns_row(row) and not (isinstance(raw, bytes) and words.find_in(raw))

    def change_row(row: Row) -> Row:
        if "trace_id" not in row and row.get("content_key") in person.contents:
            return retire_answer(row)
        if row.get("trace_id") in person.compared and row.get("explanation") in person.texts:
            row = {**row, "explanation": MARK}  # of a pair with an answer that is forgotten
        return {key: scrub_cell(value, words) for key, value in row.items()}

    return scrubbing.scrub_parquet(path, is_kept, change_row)


def retire_answer(answer: Row) -> Row:
    """Returns a paid answer with its cost but without its text, under a key nothing looks up."""
    key = f"{MARK}{digest(str(answer['content_key']))}"
    return {**answer, "content_key": key, "text": None, "probability": None, "code": "forgotten"}


def scrub_cell(value: object, words: Words) -> object:
    """Returns a cell without the words."""
    return words.replace_in_text(value) if isinstance(value, str) else value


def delete_labels(lake: Lake, person: Person, folder: Literal["labels", "gold"]) -> int:
    """Deletes the labels or gold values of a person's traces; returns how many."""
    traces, sessions = set(person.traces), set(person.sessions)

    def change_row(row: LabelRow) -> LabelRow | None:
        is_of_session = row.get("subject") == "session" and row["subject_id"] in sessions
        return None if row["subject_id"] in traces or is_of_session else row

    return change_label_rows(lake, folder, change_row)


def delete_notes(lake: Lake, person: Person) -> int:
    """Deletes the notes that were written about a person's traces; returns how many."""
    ids = set(person.traces)
    drop_listed(lake, ids.__contains__)
    dropped = drop_notes(lake, lambda note: note.trace_id in ids)
    drop_from_taxonomies(lake, dropped)
    return sum(map(len, dropped.values()))


def delete_cases(lake: Lake, catalog: Catalog, person: Person) -> int:
    """Deletes a person's traces from the catalog's cases and examples; returns how many.

    What the team has committed is in its history.
    """
    ids = set(person.traces)
    deleted = 0
    for path in list_case_files(catalog.root):
        with lake.lock(CASES):
            lines = path.read_bytes().splitlines(keepends=True)
            remaining = [line for line in lines if not is_case_of(line, ids)]
            if len(remaining) < len(lines):
                replace(path, b"".join(remaining))
        deleted += len(lines) - len(remaining)
    return deleted


def find_remaining(lake: Lake, person: Person) -> Iterator[Path]:
    """Yields the files of the home that still contain one of a person's ids."""
    names = scrubbing.build_words(
        (name for name in person.list_ids() if len(name) >= scrubbing.SHORT_ID), mark=MARK
    )
    paths = map(lake.store.path, list_personal_files(lake))
    return (path for path in paths if scrubbing.contains_words(path, names))


def find_outside(lake: Lake, names: set[str]) -> list[str]:
    """Returns files outside the home, still where they were read, that have one of some names."""
    paths = map(Path, read_stamps(lake))
    outside = (path for path in paths if not lake.contains(path))
    named = (path for path in outside if make_name_readable(path.name) in names)
    return sorted(str(path) for path in named if path.exists())
