"""What an evaluator has to do in a night: which traces, which scores stand, what must be asked.

Reads only the columns an evaluator reads, in batches, and keeps no text in memory; asks nothing.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any, NamedTuple

from evals import models
from evals.evaluators import registry
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.protocol import content_of
from evals.records import Trace
from evals.specs import Evaluator
from evals.storage import ledger
from evals.storage.files import parquet_batches
from evals.storage.lake import Lake, quoted
from evals.storage.store import FileState, read_file_states
from evals.worklist import canaries
from evals.worklist.sampling import compute_place, draw_sample

BUFFER_BYTES = 1 << 20
"""Bytes of contents held before they are written."""

JSON_COLUMNS = ("steps", "messages")
NO_TIME = datetime.fromtimestamp(0, UTC)
SCORE_COLUMNS = ("trace_id", "content_key", "status", "code", "retryable")


class SampledTrace(NamedTuple):
    """A trace in the sample."""

    key: str
    """The hash of what the evaluator reads in it."""
    inclusion: float
    """The probability with which it came into the sample."""


class WantedAnswer(NamedTuple):
    """A question that has no paid answer yet."""

    key: str
    """Its content's, or that of one more answer to it: `ledger.repeat`."""
    attempts: int
    """Runs that asked it in vain."""


class AskedCanary(NamedTuple):
    """A canary, by the contents that are asked."""

    canary: canaries.Canary
    clean: str
    """The key of the answer as people failed it."""
    key: str
    """The key of the answer with the attack in it."""


class NightTraces:
    """One night's traces, as its evaluators look at them."""

    def __init__(self, lake: Lake, night: date) -> None:
        self.lake, self.night = lake, night
        self.covering: dict[str, set[str]] = {}

    @cached_property
    def apps(self) -> dict[str, int]:
        """Traces by application, in the applications' order."""
        found: Counter[str] = Counter()
        for rows in self.lake.batches("traces", self.night, ("app",)):
            found.update(row["app"] for row in rows)
        return dict(sorted(found.items()))

    def ids(self, evaluator: Evaluator) -> Iterator[str]:
        """The ids of the traces an evaluator is about."""
        within = self.within(evaluator)
        for rows in self.lake.batches("traces", self.night, ("trace_id",), evaluator.app):
            for row in rows:
                if within is None or row["trace_id"] in within:
                    yield row["trace_id"]

    def traces(self, evaluator: Evaluator) -> Iterator[Trace]:
        """The traces an evaluator is about, with the columns it reads and no others."""
        within = self.within(evaluator)
        columns = dict.fromkeys(("trace_id", *evaluator.reads))
        columns |= {"input": None} if evaluator.gold else {}
        for rows in self.lake.batches("traces", self.night, tuple(columns), evaluator.app):
            for row in rows:
                if within is None or row["trace_id"] in within:
                    yield build_partial_trace(evaluator.app, row)

    def strata(self, evaluator: Evaluator) -> dict[str, str]:
        """Each trace's stratum, where the sample has any."""
        if evaluator.stratum is None:
            return {}
        sql = (
            f"select trace_id, try(cast({evaluator.stratum} as varchar)) as stratum"  # noqa: S608
            " from traces where app = " + quoted(evaluator.app)
        )
        rows = self.lake.rows(sql, {"traces": [self.night]})
        return {row["trace_id"]: row["stratum"] or "" for row in rows}

    def within(self, evaluator: Evaluator) -> set[str] | None:
        """The traces for which the evaluator's predicate holds; None: all."""
        if not evaluator.where:
            return None
        ids = self.covering.get(evaluator.where)
        if ids is None:
            sql = f"select trace_id from traces where {evaluator.where}"  # noqa: S608  the catalog's
            ids = {row["trace_id"] for row in self.lake.rows(sql, {"traces": [self.night]})}
            self.covering[evaluator.where] = ids
        return ids


def build_partial_trace(app: str, read: dict[str, Any], trace_id: str = "") -> Trace:
    """A trace of which only some columns were read."""
    for name in JSON_COLUMNS:
        if isinstance(read.get(name), str):
            read[name] = tuple(json.loads(read[name]))
    return Trace(**{"trace_id": trace_id, "ts": NO_TIME, "app": app, "output": "", **read})


def hash_content(content: bytes) -> str:
    """The name of a content."""
    return hashlib.sha256(content).hexdigest()[:32]


class ContentFile:
    """Contents by key; beyond a megabyte in a file without a name, which ends with the process."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.file: int | None = None
        self.held = bytearray()
        self.at: dict[str, tuple[int, int]] = {}
        self.end = 0
        self.written = 0

    def close(self) -> None:
        """Gives the file back, where one was opened."""
        if self.file is not None:
            self.give_back()
            self.file = None

    def open(self) -> int:
        """The file, opened when it is first needed."""
        if self.file is None:
            self.file = self.lake.open_nameless()
            self.give_back = weakref.finalize(self, os.close, self.file)
        return self.file

    def add(self, key: str, content: bytes) -> None:
        """Keeps a content, once."""
        if key not in self.at:
            self.held += content
            self.at[key] = (self.end, len(content))
            self.end += len(content)
            if len(self.held) > BUFFER_BYTES:
                self.flush()

    def again(self, key: str, of: str) -> None:
        """Names a content a second time."""
        self.at[key] = self.at[of]

    def flush(self) -> None:
        """What is held goes to the file."""
        view = memoryview(bytes(self.held))
        while view:
            view = view[os.write(self.open(), view) :]
        self.written = self.end
        self.held.clear()

    def read(self, key: str) -> tuple[dict[str, Any], Any]:
        """The fields a content holds, and gold."""
        start, length = self.at[key]
        if start >= self.written:
            begin = start - self.written
            data = bytes(self.held[begin : begin + length])
        else:
            data = os.pread(self.open(), length, start)
        fields, gold = json.loads(data)
        return fields, gold


@dataclass(frozen=True)
class Worklist:
    """What an evaluator has to do in one night of one application, decided without a call."""

    evaluator: Evaluator
    night: date
    covered: int
    chosen: dict[str, SampledTrace]
    """The sampled traces by id, in hash order: any prefix is a valid sample."""
    kept: set[str]
    """The traces whose scores are still true."""
    wanted: tuple[WantedAnswer, ...]
    """Questions with no paid answer: first answers in hash order, then second ones, and so on."""
    contents: ContentFile
    """What the wanted questions are about."""
    tried: tuple[AskedCanary, ...] = ()
    """Attacks the judge is asked beside the traces; they come first, and give no score."""
    basis: tuple[FileState, ...] = ()
    """The files it rests on, as they were."""

    @property
    def todo(self) -> int:
        """Traces whose score has to be derived anew."""
        return len(self.chosen) - len(self.kept)

    def first(self, count: int) -> Worklist:
        """The same with but the first few questions about traces."""
        attacks = {key for one in self.tried for key in (one.clean, one.key)}
        asked = (want for want in self.wanted if want.key not in attacks)
        return replace(self, wanted=tuple(itertools.islice(asked, count)))


def build_worklist(
    lake: Lake, night: NightTraces, evaluator: Evaluator, references: GoldAndLabels
) -> Worklist:
    """What there is to do: which traces, which scores stand, which contents must be paid for."""
    basis = read_basis(lake, night.night, evaluator)
    standing = read_current_keys(lake, night.night, evaluator)
    places = {
        name: compute_place(name, evaluator.dimension, evaluator.subject)
        for name in night.ids(evaluator)
    }
    seats = draw_sample(places, evaluator.sample, night.strata(evaluator))
    contents, keys = ContentFile(lake), dict.fromkeys(seats, "")
    repeats = evaluator.judge.repeats if evaluator.judge else 1
    evaluates = registry.type_of(evaluator)
    for trace in night.traces(evaluator):
        if trace.trace_id not in seats:
            continue
        data = evaluates.content(evaluator, trace, references)
        key = hash_content(data)
        if evaluator.asks_model and (repeats > 1 or standing.get(trace.trace_id) != key):
            contents.add(key, data)
        keys[trace.trace_id] = key
    chosen = {name: SampledTrace(keys[name], seat.inclusion) for name, seat in seats.items()}
    kept = {name for name, one in chosen.items() if standing.get(name) == one.key}
    if not evaluator.asks_model:
        return Worklist(evaluator, night.night, len(places), chosen, kept, (), contents)
    chosen_attacks = canaries.build_night_canaries(lake, references, evaluator, night.night)
    tried = add_canaries(references, evaluator, chosen_attacks, contents)
    asks = [key for one in tried for key in (one.clean, one.key)]
    asks += [one.key for name, one in chosen.items() if name not in kept]
    asks += list_repeats(contents, [one.key for one in chosen.values()], repeats)
    wanted = tuple(list_unpaid(lake, evaluator, asks))
    return Worklist(
        evaluator, night.night, len(places), chosen, kept, wanted, contents, tried, basis
    )


def read_basis(lake: Lake, night: date, evaluator: Evaluator) -> tuple[FileState, ...]:
    """The state of the files a survey rests on beside the ledger: traces, and the scores so far."""
    scores = lake.partition("scores", night) / f"{name_score_file(evaluator)}.parquet"
    return read_file_states([*lake.files("traces", [night]), scores])


def refresh_worklist(lake: Lake, before: Worklist) -> Worklist | None:
    """A survey without what was paid since it was made; None where another writer was there."""
    if before.basis != read_basis(lake, before.night, before.evaluator):
        before.contents.close()
        return None
    keys = (want.key for want in before.wanted)
    wanted = tuple(list_unpaid(lake, before.evaluator, keys)) if before.wanted else ()
    return replace(before, wanted=wanted)


def list_repeats(contents: ContentFile, keys: Iterable[str], repeats: int) -> Iterator[str]:
    """The further answers to contents, every second one before any third."""
    asked = dict.fromkeys(keys)
    for nth in range(2, repeats + 1):
        for key in asked:
            more = ledger.repeat(key, nth)
            contents.again(more, key)
            yield more


def add_canaries(
    references: GoldAndLabels,
    evaluator: Evaluator,
    chosen: Iterable[canaries.Canary],
    contents: ContentFile,
) -> tuple[AskedCanary, ...]:
    """Canaries by the contents that are asked, which are kept beside the traces'."""
    tried = []
    for canary in chosen:
        gold = references.gold_for(evaluator, canary.carrier)
        found = [content_of(evaluator, trace, gold) for trace in (canary.carrier, canary.trace)]
        for data in found:
            contents.add(hash_content(data), data)
        tried.append(AskedCanary(canary, *map(hash_content, found)))
    return tuple(tried)


def read_current_keys(lake: Lake, night: date, evaluator: Evaluator) -> dict[str, str]:
    """The content each stored score speaks of, by trace; those to be tried again left out."""
    path = lake.partition("scores", night) / f"{name_score_file(evaluator)}.parquet"
    if not path.exists():
        return {}
    return {
        row["trace_id"]: row["content_key"]
        for rows in parquet_batches(path, SCORE_COLUMNS)
        for row in rows
        if not should_retry(evaluator, row)
    }


def should_retry(evaluator: Evaluator, score: dict[str, Any]) -> bool:
    """Whether a stored row should be tried again: a passing fault, or a model now at hand."""
    if score["retryable"]:
        return True
    if score["status"] == "skipped" and score["code"] == "budget":
        return True
    if score["status"] == "skipped" and evaluator.pin and score["code"] in ("no-model", "no-key"):
        return models.why_unavailable(evaluator.pin) is None
    return False


def list_unpaid(lake: Lake, evaluator: Evaluator, keys: Iterable[str]) -> Iterator[WantedAnswer]:
    """The contents that have to be asked, each once, in the order given."""
    asked = dict.fromkeys(keys)
    with ledger.paid(lake, evaluator.answer_version or "", asked) as paid:
        for key in asked:
            if paid.needs(key):
                yield WantedAnswer(key, paid.attempts(key))


def name_score_file(evaluator: Evaluator) -> str:
    """The name of the file that holds an evaluator's scores of a night."""
    return f"{evaluator.name}@{evaluator.app}@{evaluator.version}"
