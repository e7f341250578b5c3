"""From inbox files to a night's traces: each file once, each row accounted for.

Redaction happens here, before anything is written; what a valid trace is says `expectations`.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple, get_args

from evals import importers
from evals.annotations import GOLD, map_verdict
from evals.lake import InboxFile, Lake, MappedLabel, SliceRow, read_parquet, to_table, write_parquet
from evals.nights import state, update
from evals.records import AnnotatorKind, Label, Outcome, Refusal, Trace, digest
from evals.specs import Catalog

TEXTS = ("input", "output", "context", "messages", "steps", "feedback", "metadata")
NEEDED = {"trace_id", "dimension", "verdict", "annotator", "annotator_kind"}
LABEL_KEYS = {field.name for field in dataclasses.fields(Label)}


class LabelsError(ValueError):
    """A labels file holds a row that is no label; the message names file and line."""


def inbox_paths(inbox: Path) -> list[Path]:
    """The files of an inbox: a folder's, or the one file it names; hidden ones are not its."""
    if inbox.is_file():
        return [inbox]
    found = (path for path in inbox.rglob("*") if path.is_file())
    return sorted(path for path in found if not path.name.startswith("."))


def unseen(lake: Lake, inbox: Path) -> list[Path]:
    """The files that were not read yet; a file is hashed only when its size or time changed."""
    stamps: dict[str, list[Any]] = lake.document("inbox_stamps.json") or {}
    known = lake.inbox_files()
    fresh, found = dict(stamps), []
    for path in inbox_paths(inbox):
        stat = path.stat()
        stamp = [stat.st_size, stat.st_mtime_ns]
        held = stamps.get(str(path.absolute()))
        sha = held[2] if held and held[:2] == stamp else file_sha(path)
        fresh[str(path.absolute())] = [*stamp, sha]
        if sha not in known:
            found.append(path)
    if fresh != stamps:
        lake.write_document(fresh, "inbox_stamps.json")
    return found


def file_sha(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def import_file(
    lake: Lake,
    catalog: Catalog,
    path: Path,
    *,
    assume_date: date | None = None,
    spread: tuple[date, date] | None = None,
) -> InboxFile:
    """Stages one file's traces by night, keeps its labels, quarantines its other rows.

    Twice is once.
    """
    sha = file_sha(path)
    nights: dict[date, list[Trace]] = defaultdict(list)
    refused: list[Refusal] = []
    labels: list[Label] = []
    shift = timedelta(hours=catalog.day_begins)
    rows = importers.read(
        path,
        mappings=catalog.mappings,
        assume_date=assume_date,
        spread=spread,
        day_begins=catalog.day_begins,
    )
    for row in rows:
        if isinstance(row, Label):
            labels.append(row)
        elif isinstance(row, Refusal):
            refused.append(row)
            if row.app and row.night:
                nights.setdefault(row.night, [])  # of bad rows alone it is refused, not forgotten
        else:
            nights[(row.ts - shift).date()].append(redacted(catalog, row))
    for night, traces in sorted(nights.items()):
        lake.write("staged", night, traces, sha[:16])
    if refused:
        kept = lake.home / "quarantine" / "files" / f"{sha[:16]}.parquet"
        write_parquet(kept, to_table(Refusal, refused))
    read = sum(map(len, nights.values())) + len(refused)
    found = sorted(night.isoformat() for night in nights)
    format_name = next((t.source_format for traces in nights.values() for t in traces), "")
    if labels:
        apps = {trace.trace_id: trace.app for traces in nights.values() for trace in traces}
        kept_labels = [redacted_label(catalog, apps, label) for label in labels]
        keep_labels(lake, kept_labels, f"found-in-{sha[:16]}")
    seen = InboxFile(
        sha, path.name, format_name, path.stat().st_size, read, len(refused), found, len(labels)
    )
    lake.record_files([seen])
    return seen


def take_in(
    lake: Lake,
    catalog: Catalog,
    inbox: Path | None,
    *,
    assume_date: date | None = None,
    spread: tuple[date, date] | None = None,
    say: Callable[[str], None] = lambda words: None,
) -> list[InboxFile]:
    """Imports every file of an inbox, or of the catalog's, that was not read yet."""
    where = inbox or catalog.inbox
    found = []
    for path in unseen(lake, where) if where else []:
        say(f"importing {path.name}")
        found.append(import_file(lake, catalog, path, assume_date=assume_date, spread=spread))
    return found


def redacted(catalog: Catalog, trace: Trace) -> Trace:
    """The trace without secrets and without the personal data its application names."""
    clean = redactor(catalog.app(trace.app).redact)
    return dataclasses.replace(trace, **{n: cleaned(getattr(trace, n), clean) for n in TEXTS})


def redacted_label(catalog: Catalog, apps: dict[str, str], label: Label) -> Label:
    """The label without secrets and personal data: its trace's application's kinds, or all."""
    app = apps.get(label.trace_id)
    kinds = [
        kind for name in ((app,) if app else catalog.apps) for kind in catalog.app(name).redact
    ]
    clean = redactor(tuple(dict.fromkeys(kinds)))
    texts = ("dimension", "verdict", "annotator", "note")
    return dataclasses.replace(label, **{n: cleaned(getattr(label, n), clean) for n in texts})


def cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    """The value with every text in it cleaned."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): cleaned(item, clean) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(cleaned(item, clean) for item in value)
    return value


@functools.lru_cache(maxsize=16)
def redactor(kinds: tuple[str, ...]) -> Callable[[str], str]:
    """What takes personal data of some kinds, and secrets, out of a text."""
    from evals import detectors

    return detectors.redactor((*kinds, *detectors.SECRET_KINDS))


def read_labels(path: Path) -> list[Label]:
    """The labels of a file: JSONL, gz or not, rows of the contract's columns.

    A row whose verdict is still empty, as a review queue leaves it, is no label yet.

    Raises:
        LabelsError: naming the line that is no label.
    """
    from evals.importers import streams, strict_json

    labels = []
    with streams.unpacked(path) as stream:
        for line in streams.read_lines(stream):
            try:
                row = {} if line.code else strict_json.parse(line.raw).row
            except strict_json.Refused as error:
                raise LabelsError(f"{path}:{line.number}: {error.reason}") from error
            known = {key: row[key] for key in LABEL_KEYS & set(row)}
            missing = NEEDED - set(known)
            if missing:
                wanted = ", ".join(sorted(missing))
                raise LabelsError(f"{path}:{line.number}: a label needs {wanted}")
            if known["verdict"] not in ("", None):
                if problem := label_problem(known):
                    raise LabelsError(f"{path}:{line.number}: {problem}")
                labels.append(Label(**known))
    return labels


def label_problem(row: dict[str, Any]) -> str | None:
    """What is wrong with a label's values, naming the key; None where nothing is."""
    for key in sorted(LABEL_KEYS & set(row) - {"verdict"}):
        if not isinstance(row[key], str):
            return f"`{key}` is {row[key]!r}; expected text"
    if row["annotator_kind"] not in get_args(AnnotatorKind):
        known = ", ".join(get_args(AnnotatorKind))
        return f"`annotator_kind` is {row['annotator_kind']!r}; expected one of {known}"
    return None


def import_labels(lake: Lake, path: Path) -> int:
    """Adds a labels file to the lake; the same file twice is once. Returns labels added."""
    name = file_sha(path)[:16]
    batches: dict[str, list[str]] = lake.document("label_batches.json") or {}
    if name in batches:
        return 0
    labels = read_labels(path)
    keep_labels(lake, labels, name)
    return len(labels)


def keep_labels(lake: Lake, labels: Sequence[Label], name: str) -> None:
    """Adds a batch of labels, and notes the nights it touches so that those are due again."""
    batches: dict[str, list[str]] = lake.document("label_batches.json") or {}
    lake.add_labels(labels, name)
    ids = {label.trace_id for label in labels}
    staged = lake.rows("select distinct trace_id, ts from staged", {"staged": None})
    touched = {row["ts"].date() for row in staged if row["trace_id"] in ids}
    nights = {near for night in touched for near in (night, night - timedelta(days=1))}
    stamp = sorted(night.isoformat() for night in nights & set(lake.nights("staged")))
    lake.write_document({**batches, name: stamp}, "label_batches.json")


def take_in_labels(lake: Lake, catalog: Catalog, more: Iterable[Path] = ()) -> int:
    """Adds the catalog's label files and some more; returns how many labels are new."""
    return sum(import_labels(lake, path) for path in (*catalog.label_files, *more))


def admit(
    lake: Lake, catalog: Catalog, nights: Sequence[date]
) -> dict[date, dict[str, dict[str, Any]]]:
    """Validates the staged rows of some nights; returns each night's accounting by application.

    Rows that pass become the night's traces, the others go to quarantine; an application with
    too many of those is refused for the night, and everything else goes on.
    """
    basis = {night: basis_of(lake, catalog, night) for night in nights}
    stale = [night for night in nights if state(lake, night).get("admitted") != basis[night]]
    rows: dict[str, dict[date, list[Trace]]] = defaultdict(dict)
    for night in stale:
        for trace in lake.read("staged", [night]):
            rows[trace.app].setdefault(night, []).append(trace)
    before = unreadable(lake, set(stale))
    for app, night in before:
        rows[app].setdefault(night, [])
    admitted: dict[date, list[Admitted]] = defaultdict(list)
    for app in sorted(rows):
        for night, one in admit_app(catalog, app, rows[app], before).items():
            admitted[night].append(one)
    for night in stale:
        accepted = [trace for one in admitted[night] for trace in one.accepted]
        lake.write("traces", night, sorted(accepted, key=lambda t: (t.app, t.ts, t.trace_id)))
        lake.write("quarantine", night, [row for one in admitted[night] for row in one.refused])
        apps = {one.app: one.account for one in admitted[night]}
        update(lake, night, admitted=basis[night], apps=apps)
    return {night: state(lake, night).get("apps", {}) for night in nights}


def basis_of(lake: Lake, catalog: Catalog, night: date) -> str:
    """A digest of what a night's validation rests on."""
    limits = {app: spec.validation.model_dump() for app, spec in catalog.apps.items()}
    return digest([sorted(file.name for file in lake.files("staged", [night])), limits])


def unreadable(lake: Lake, nights: set[date]) -> dict[tuple[str, date], Counter[str]]:
    """Rows refused before validation whose application and night are known, by reason code."""
    found: dict[tuple[str, date], Counter[str]] = defaultdict(Counter)
    for file in sorted((lake.home / "quarantine" / "files").glob("*.parquet")):
        for row in read_parquet(Refusal, file):
            if row.app and row.night and row.night in nights:
                found[row.app, row.night][row.code] += 1
    return found


class Admitted(NamedTuple):
    """One application's night at the door."""

    app: str
    accepted: list[Trace]
    refused: list[Refusal]
    account: dict[str, Any]


def admit_app(
    catalog: Catalog,
    app: str,
    nights: dict[date, list[Trace]],
    before: dict[tuple[str, date], Counter[str]],
) -> dict[date, Admitted]:
    """One application's nights, checked in one pass: what is accepted, refused, and the account."""
    from evals import expectations

    ordered = {
        night: sorted(rows, key=lambda t: (t.source_file, t.source_line))
        for night, rows in nights.items()
    }
    frames = {
        night: to_table(Trace, rows).to_pandas(use_threads=False) for night, rows in ordered.items()
    }
    earlier = {night: before.get((app, night), Counter()).total() for night in nights}
    checked = expectations.validate_nights(
        frames, catalog.app(app), catalog.day_begins, refused_before=earlier
    )
    found = {}
    for night, rows in ordered.items():
        result = checked[night]
        refused = [refusal(rows[row], night, code, why) for row, code, why in result.refused]
        accepted = [rows[index] for index in result.accepted]
        reasons = Counter(code for _, code, _ in result.refused) + before.get(
            (app, night), Counter()
        )
        account = {
            "read": len(rows) + earlier[night],
            "accepted": len(accepted),
            "duplicate": len(result.duplicates),
            "quarantined": len(refused) + earlier[night],
            "reasons": dict(sorted(reasons.items())),
            "refused": result.night_refused,
            "checks": result.results,
        }
        found[night] = Admitted(app, [] if result.night_refused else accepted, refused, account)
    return found


def refusal(trace: Trace, night: date, code: str, reason: str) -> Refusal:
    """A staged row that did not pass, as it goes to quarantine."""
    from evals.records import canonical

    row = {**dataclasses.asdict(trace), "ts": trace.ts.isoformat()}
    return Refusal(
        trace.source_file,
        trace.source_line,
        code,
        reason,
        canonical(row)[:65536],
        trace.app,
        night,
        trace.trace_id,
    )


def refusals(lake: Lake) -> list[Refusal]:
    """Everything in quarantine: unreadable rows by file, then refused rows by night."""
    files = sorted((lake.home / "quarantine" / "files").glob("*.parquet"))
    unreadable = itertools.chain.from_iterable(read_parquet(Refusal, file) for file in files)
    return [*unreadable, *lake.read("quarantine")]


def mapped_labels(
    catalog: Catalog, labels: Iterable[Label], night: date, traces: Iterable[Trace]
) -> list[MappedLabel]:
    """People's labels of a night's traces in the words of the suite; unmapped ones are left out."""
    by_trace: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        if label.annotator_kind in ("human", "adjudicated") and label.annotator != GOLD:
            by_trace[label.trace_id].append(label)
    found = []
    for trace in traces:
        suite = catalog.suites.get(catalog.app(trace.app).suite or "")
        for dimension in suite.dimensions if suite else ():
            name = dimension.labels or dimension.dimension
            for label in by_trace.get(trace.trace_id, ()):
                said = map_verdict(dimension.mapping, label.verdict)
                if label.dimension == name and isinstance(said, Outcome):
                    verdict = "pass" if said.passed else "fail"
                    row = (night, trace.app, trace.trace_id, dimension.dimension, verdict)
                    found.append(MappedLabel(*row, label.annotator, label.annotator_kind))
    return found


def slice_rows(catalog: Catalog) -> list[SliceRow]:
    """The catalog's slices as dbt reads them."""
    rows = []
    for spec in catalog.slices:
        kind = "by" if spec.by else "where" if spec.where else "keyword"
        expression = spec.by or spec.where or spec.keyword or ""
        rows += [SliceRow(app, spec.slice, kind, expression) for app in spec.apps or ("*",)]
    return rows
