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
from evals.erasure.requests import Person, Wish
from evals.ingest.inbox import inbox_paths
from evals.ingest.staging import import_file
from evals.privacy import redaction, scrubbing
from evals.privacy.redaction import Door
from evals.privacy.scrubbing import Words
from evals.readable import readable_name
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
SPOKEN = ("input", "output", "steps", "metadata", "feedback", "tags")


class Forgotten(NamedTuple):
    """What came of a wish."""

    ids: tuple[tuple[str, ...], tuple[str, ...]]
    """Users and traces, as they were asked for."""
    nights: dict[str, int]
    """Traces by ISO night."""
    outside: tuple[str, ...]
    """Files beyond the home that its traces were read from."""
    touched: dict[str, int]
    """How much was touched, by place; `left`: files in which an id still stands."""


def find(lake: Lake, catalog: Catalog, users: Sequence[str], traces: Sequence[str]) -> Person:
    """What the lake has of some users and traces, ids as their systems know them or as hashed."""
    door = Door.of(lake, catalog)
    hashed = tuple(filter(None, (door.user(user) for user in users)))
    asked = {door.identity(trace) for trace in traces}
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
    keys, said = scored(lake, set(ids))
    texts = {text for trace in found.values() for text in spoken(trace)} | said
    files = {trace.source_file for trace in found.values()}
    return Person(
        traces=ids,
        users=hashed,
        names=tuple(sorted({*users, *traces})),
        texts=tuple(sorted(texts)),
        contents=tuple(sorted(keys)),
        files=tuple(sorted(files)),
        outside=tuple(outside(lake, files)),
        nights=dict(sorted((night, n) for night, n in nights.items() if n)),
    )


def spoken(trace: Trace) -> Iterator[str]:
    """What was said in a trace by and to the person; instructions are everybody's."""
    for name in SPOKEN:
        yield from scrubbing.strings(getattr(trace, name))
    for message in trace.messages:
        if not isinstance(message, dict) or message.get("role") not in ("system", "developer"):
            yield from scrubbing.strings(message)


def scored(lake: Lake, traces: set[str]) -> tuple[set[str], set[str]]:
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


def forget(
    lake: Lake, catalog: Catalog, users: Sequence[str], traces: Sequence[str], now: datetime
) -> Forgotten:
    """Takes users and traces out of the home; killed and run again it goes on where it was.

    The wish is noted before anything is looked for. One of the same ids that an earlier run began
    is part of it.
    """
    wish = requests.note(lake, Wish(now.isoformat(), tuple(users), tuple(traces)))
    done = finish(lake, catalog)
    same = [one for one in done if one.ids == wish.ids]
    nights: Counter[str] = Counter()
    touched: Counter[str] = Counter()
    for one in same:
        nights.update(one.nights)
        touched.update(one.touched)
    beyond = {path for one in same for path in one.outside}
    return Forgotten(wish.ids, dict(sorted(nights.items())), tuple(sorted(beyond)), dict(touched))


def finish(lake: Lake, catalog: Catalog) -> list[Forgotten]:
    """Does every wish that was noted, the oldest first; one process at a time.

    Raises:
        HomeInUse: somebody uses the home; what was noted stays for the next run.
        LakeError: a note cannot be read.
    """
    if not requests.unfinished(lake):
        return []
    with lake.lock("forgetting"):
        return [complete(lake, catalog, wish) for wish in requests.unfinished(lake)]


def complete(lake: Lake, catalog: Catalog, wish: Wish) -> Forgotten:
    """Does one wish; each step may be repeated."""
    day_budget.recover(lake)
    if wish.person is None:
        wish = requests.found(lake, wish, find(lake, catalog, wish.users, wish.traces))
    person = wish.person or Person()
    remember(lake, person, wish.asked)
    done = Counter({"raw files": drop_raw(lake, catalog, person)})
    with lake.used(alone=True):
        requests.drop_leftovers(lake)
        for place, touched in steps(lake, person):
            done[place] += touched
    done["left"] = len(list(remaining(lake, person)))
    requests.done(lake, wish)
    return Forgotten(wish.ids, person.nights, person.outside, dict(done))


def remember(lake: Lake, person: Person, until: str) -> None:
    """Keeps tombstones: keyed hashes of the traces, and the users up to a moment in ISO form."""
    key = redaction.user_key(lake)
    traces = (redaction.tombstone(key, trace) for trace in person.traces)
    add_forgotten(lake, traces, person.users, datetime.fromisoformat(until))


def drop_raw(lake: Lake, catalog: Catalog, person: Person) -> int:
    """Removes raw files of the home that hold it, once the rest of their rows is staged."""
    names = scrubbing.words(person.ids(), mark=MARK)
    dropped = 0
    for path in inbox_paths(lake.raw_folder()):
        if readable_name(path.name) in person.files or scrubbing.holds(path, names):
            if file_sha(path) not in lake.inbox_files():
                import_file(lake, catalog, path)
            path.unlink()
            dropped += 1
    return dropped


def steps(lake: Lake, person: Person) -> Iterator[tuple[str, int]]:
    """Each place in turn, with how much was touched; each may be repeated."""
    shutil.rmtree(lake.home / "runs", ignore_errors=True)
    shutil.rmtree(lake.home / id_index.FOLDER, ignore_errors=True)
    restart_windows(lake)
    every = scrubbing.words(person.ids(), person.texts, mark=MARK)
    names = scrubbing.words(person.ids(), mark=MARK)
    reports = redact_text.redact_reports(lake, lambda one: one.trace_id in person.traces, MARK)
    yield "reports", len(reports)
    yield "review", drop_questions(lake, set(person.traces).__contains__)
    yield "labels", drop_labels(lake, person, "labels")
    yield "gold", drop_labels(lake, person, "gold")
    for path in files(lake.home):
        place = path.relative_to(lake.home).parts[0]
        tables = path.suffix == ".parquet" and place != "quarantine"
        yield place, scrub(path, person, names if tables or place in IDS_ALONE else every)
    if has_reports(lake):
        assembly.write_board(lake)


def files(home: Path) -> list[Path]:
    """Every file of a home but the key, the locks and what a forgetting itself keeps."""
    kept = {home / "user_key", home / "user_key.json", home / tombstones.NAME}
    rooms = {home / "locks", home.joinpath(*requests.FOLDER)}
    found = (path for path in sorted(home.rglob("*")) if path.is_file() and not path.is_symlink())
    return [path for path in found if path not in kept and path.parent not in rooms]


def scrub(path: Path, person: Person, gone: Words) -> int:
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
    if not scrubbing.has_any(path, whose) and not scrubbing.holds(path, gone):
        return 0

    def keep(row: dict[str, Any]) -> bool:
        raw = row.get("raw")
        return not person.row(row) and not (isinstance(raw, bytes) and gone.found(raw))

    def change(row: dict[str, Any]) -> dict[str, Any]:
        if "trace_id" not in row and row.get("content_key") in person.contents:
            return retired(row)
        return {key: tidy(value, gone) for key, value in row.items()}

    return scrubbing.scrub_parquet(path, keep, change)


def retired(answer: dict[str, Any]) -> dict[str, Any]:
    """A paid answer that keeps its cost and says nothing; no content finds it again."""
    key = f"{MARK}{digest(answer['content_key'])}"
    return {**answer, "content_key": key, "text": None, "probability": None, "code": "forgotten"}


def tidy(value: Any, gone: Words) -> Any:
    """A cell without its words."""
    return gone.text(value) if isinstance(value, str) else value


def drop_labels(lake: Lake, person: Person, folder: str) -> int:
    """Removes its traces' labels or gold values from their files."""
    ids = set(person.traces)
    return change_rows(lake.home / folder, lambda row: None if row["subject_id"] in ids else row)


def remaining(lake: Lake, person: Person) -> Iterator[Path]:
    """Files of the home in which one of its ids still stands."""
    names = scrubbing.words((one for one in person.ids() if len(one) >= scrubbing.SHORT), mark=MARK)
    return (path for path in files(lake.home) if scrubbing.holds(path, names))


def outside(lake: Lake, names: set[str]) -> list[str]:
    """Files beyond the home, still where they were read, that have one of some names."""
    paths = map(Path, read_stamps(lake))
    away = (path for path in paths if not path.is_relative_to(lake.home))
    kept = (path for path in away if readable_name(path.name) in names)
    return sorted(str(path) for path in kept if path.exists())
