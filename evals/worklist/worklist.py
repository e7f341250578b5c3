"""What an evaluator has to do in a night: its sample, the scores that are current, missing answers.

Makes no call; `night_contents` reads the traces.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from evals import models
from evals.evaluators import registry
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.gold_sets import GoldUse
from evals.evaluators.protocol import EvaluatorByVerdicts, content_of
from evals.records import Skip, Trace
from evals.specs import Evaluator
from evals.storage import ledger
from evals.storage.lake import Lake
from evals.storage.parquet_files import stream_rows
from evals.storage.store import FileState, read_file_states
from evals.worklist import anchors, canaries
from evals.worklist.night_contents import ContentFile, NightTraces, hash_content
from evals.worklist.peer_verdicts import (
    hash_verdicts,
    join_verdicts,
    read_flagged,
    read_peers,
    seat_panel,
)
from evals.worklist.previous_answers import add_previous
from evals.worklist.repeated_calls import is_settled, needs_call
from evals.worklist.sampling import compute_place, draw_sample

NONE_FAILED: Mapping[str, bool] = MappingProxyType({})
SCORE_COLUMNS = ("trace_id", "content_key", "status", "code", "retryable")


class StoredScores(NamedTuple):
    """The stored scores of an evaluator's night."""

    current: dict[str, str]
    """The content key of each trace whose score is no error, or one that no call repairs."""
    settled: dict[str, str]
    """Of each trace with an error that is asked again only where the judge's pin was changed."""
    failed: dict[str, bool]
    """The content keys of all errors, and whether each may be repeated under the same pin."""


class SampledTrace(NamedTuple):
    """A trace in the sample."""

    key: str
    """The hash of what the evaluator reads in it."""
    inclusion: float
    """The probability with which it came into the sample."""
    skip: Skip | None = None
    """Why the evaluator skips it, such as that it has no answer; None: it is evaluated."""
    session_id: str | None = None
    """The session whose last turn it is, where sessions are evaluated."""

    @property
    def is_skipped(self) -> bool:
        """Whether the evaluator skips it."""
        return self.skip is not None


class WantedAnswer(NamedTuple):
    """An answer that the ledger does not have yet."""

    key: str
    """The key of its content, or of a further answer to it: `ledger.build_repeat_key`."""
    attempts: int
    """Earlier runs that did not get it."""
    code: str | None = None
    """How the last of them failed; None: it was never asked, or its answer was unreadable."""


class AskedCanary(NamedTuple):
    """A canary and the keys of the two contents that are asked."""

    canary: canaries.Canary
    clean_key: str
    """The key of the answer that people failed, unchanged."""
    attacked_key: str
    """The key of the answer with the attack in it."""

    @property
    def keys(self) -> tuple[str, str]:
        """Both keys."""
        return (self.clean_key, self.attacked_key)


@dataclass(frozen=True)
class Worklist:
    """What an evaluator has to do in one night of one application, decided without a call."""

    evaluator: Evaluator
    night: date
    covered: int
    """How many traces the evaluator covers."""
    sample: dict[str, SampledTrace]
    """The sampled traces by id, in hash order: any prefix is a valid sample."""
    current: set[str]
    """The traces whose stored scores are current."""
    wanted: tuple[WantedAnswer, ...]
    """Answers not paid yet: first answers in hash order, then second ones, and so on."""
    contents: ContentFile
    """The contents the wanted answers are about."""
    canaries: tuple[AskedCanary, ...] = ()
    """Answers with an attack, which are asked before the traces and give no score."""
    anchors: tuple[anchors.AnchoredContent, ...] = ()
    """Answers of earlier nights, which are asked before the traces and give no score."""
    files: tuple[FileState, ...] = ()
    """The versions of the files it was made from."""
    gold: GoldUse = field(default_factory=lambda: GoldUse(None))
    """Of its gold set, by all traces it covers."""
    failed: Mapping[str, bool] = field(default_factory=dict[str, bool])
    """The content keys of stored errors, and whether each may be repeated under the same pin."""
    without_score: int = 0
    """How many sampled traces have no score, and get none, such as those without a label."""

    @property
    def evaluated_keys(self) -> list[str]:
        """The keys of the sampled contents that are not skipped, in hash order."""
        return [sampled.key for sampled in self.sample.values() if not sampled.is_skipped]

    @property
    def remaining(self) -> int:
        """How many sampled traces get a score and have no current one."""
        return len(self.sample) - len(self.current) - self.without_score

    def limit_questions(self, count: int) -> Worklist:
        """Returns the worklist with the first few wanted answers about traces only."""
        others = {key for canary in self.canaries for key in canary.keys}
        others |= {anchor.key for anchor in self.anchors}
        about_traces = (want for want in self.wanted if want.key not in others)
        return replace(self, wanted=tuple(itertools.islice(about_traces, count)))


def build_worklist(
    lake: Lake, night: NightTraces, evaluator: Evaluator, references: GoldAndLabels
) -> Worklist:
    """Finds the sample, the stored scores that are current, and the answers not paid yet."""
    files = read_file_versions(lake, night.night, evaluator)
    references = add_previous(lake, night.night, evaluator, references)
    stored = read_stored_scores(lake, night.night, evaluator)
    scored = {**stored.current, **stored.settled}
    draw = evaluator.sample.draw or evaluator.dimension
    places = {
        name: compute_place(name, draw, evaluator.subject) for name in night.read_ids(evaluator)
    }
    if isinstance(registry.type_of(evaluator), EvaluatorByVerdicts):
        return build_panel_worklist(night, evaluator, places, scored)
    strata = night.read_strata(evaluator) or read_flagged(lake, night.night, evaluator)
    seats = draw_sample(places, evaluator.sample, strata)
    contents, keys, skipped = ContentFile(lake), dict.fromkeys(seats, ""), dict[str, Skip]()
    without_score = 0
    repeats = evaluator.judge.repeats if evaluator.judge else 1
    kind, gold = registry.type_of(evaluator), GoldUse(references.load_gold_set(evaluator))
    for trace in night.read_traces(evaluator):
        gold.add_trace(trace)
        if trace.trace_id not in seats:
            continue
        data = kind.content(evaluator, trace, references)
        key = hash_content(data)
        if skip := kind.find_skip(evaluator, trace, references):
            skipped[trace.trace_id] = skip
            key = hash_content(UNANSWERED + data)
        elif evaluator.asks_model and (repeats > 1 or stored.current.get(trace.trace_id) != key):
            add_contents(contents, evaluator, trace, references)
        elif trace.trace_id not in scored and kind.gives_none(evaluator, data):
            without_score += 1
        keys[trace.trace_id] = key
    sessions = night.read_sessions(evaluator)
    sample = {
        name: SampledTrace(keys[name], seat.inclusion, skipped.get(name), sessions.get(name))
        for name, seat in seats.items()
    }
    current = {name for name, sampled in sample.items() if scored.get(name) == sampled.key}
    final = {name for name in current if name in stored.current}
    if not evaluator.asks_model:
        return Worklist(
            evaluator, night.night, len(places), sample, current, (), contents, gold=gold,
            without_score=without_score,
        )  # fmt: skip
    attacks = canaries.build_night_canaries(lake, references, evaluator, night.night)
    asked_canaries = add_canaries(references, evaluator, attacks, contents)
    sampled = len(sample) - len(skipped)
    asked_anchors = anchors.build_night_anchors(lake, references, evaluator, night.night, sampled)
    content_keys = [key for canary in asked_canaries for key in canary.keys]
    content_keys += add_anchors(asked_anchors, contents)
    left = [s.key for name, s in sample.items() if name not in final and not s.is_skipped]
    content_keys += [one for key in left for one in list_asked_keys(evaluator, key)]
    evaluated = [s.key for s in sample.values() if not s.is_skipped]
    content_keys += list_repeats(contents, evaluated, repeats)
    failed = {
        one: again
        for key, again in stored.failed.items()
        for one in list_asked_keys(evaluator, key)
    }
    wanted = tuple(list_unpaid(lake, evaluator, content_keys, failed))
    asked_again = {name_content(evaluator, want.key) for want in wanted}
    asked_again &= set(stored.settled.values())
    current -= {name for name in current - final if sample[name].key in asked_again}
    return Worklist(
        evaluator=evaluator,
        night=night.night,
        covered=len(places),
        sample=sample,
        current=current,
        wanted=wanted,
        contents=contents,
        canaries=asked_canaries,
        anchors=asked_anchors,
        files=files,
        gold=gold,
        failed=failed,
    )


def build_panel_worklist(
    night: NightTraces,
    evaluator: Evaluator,
    places: Mapping[str, float],
    scored: Mapping[str, str],
) -> Worklist:
    """Finds the traces that all peers of a panel looked at, and the stored scores of them."""
    lake, sessions = night.lake, night.read_sessions(evaluator)
    joined = join_verdicts(read_peers(lake, night.night, evaluator))
    sample: dict[str, SampledTrace] = {}
    for name in sorted(places.keys() & joined, key=places.__getitem__):
        seat = seat_panel(evaluator, joined[name], places[name])
        key = hash_verdicts(joined[name])
        sample[name] = SampledTrace(key, seat.inclusion, session_id=sessions.get(name))
    current = {name for name, sampled in sample.items() if scored.get(name) == sampled.key}
    contents = ContentFile(lake)
    return Worklist(evaluator, night.night, len(places), sample, current, (), contents)


UNANSWERED = b"no answer: "
"""Begins the content of a trace that is skipped, whose score ends once it has an answer."""


def read_file_versions(lake: Lake, night: date, evaluator: Evaluator) -> tuple[FileState, ...]:
    """Returns the versions of the files a worklist is made from beside the ledger."""
    folder = lake.locate_partition("scores", night)
    scores = [
        folder / f"{name}.parquet" for name in (evaluator.score_file, *evaluator.peers.values())
    ]
    return read_file_states([*lake.list_files("traces", [night]), *scores])


def refresh_worklist(lake: Lake, before: Worklist) -> Worklist | None:
    """Drops what was paid since a worklist was made; None where another run changed its files."""
    if before.files != read_file_versions(lake, before.night, before.evaluator):
        before.contents.close()
        return None
    keys = (want.key for want in before.wanted)
    wanted = (
        tuple(list_unpaid(lake, before.evaluator, keys, before.failed)) if before.wanted else ()
    )
    return replace(before, wanted=wanted)


def add_contents(
    contents: ContentFile, evaluator: Evaluator, trace: Trace, references: GoldAndLabels
) -> None:
    """Adds all that a judge is asked of a trace."""
    data = registry.model_of(evaluator).list_contents(evaluator, trace, references)
    keys = list_asked_keys(evaluator, hash_content(data[0]))
    for key, content in zip(keys, data, strict=True):
        contents.add(key, content)


def list_asked_keys(evaluator: Evaluator, key: str) -> list[str]:
    """Lists the keys of the answers that a verdict on a content needs: of a pair, both orders'."""
    return [key, ledger.build_repeat_key(key, 2)] if evaluator.compares else [key]


def name_content(evaluator: Evaluator, key: str) -> str:
    """Returns the key of the content to whose verdict an answer belongs."""
    return ledger.find_first_key(key) if evaluator.compares else key


def list_repeats(contents: ContentFile, keys: Iterable[str], repeats: int) -> Iterator[str]:
    """Lists the keys of further answers to contents, every second one before any third."""
    first_keys = dict.fromkeys(keys)
    for nth in range(2, repeats + 1):
        for key in first_keys:
            repeat = ledger.build_repeat_key(key, nth)
            contents.add_alias(repeat, key)
            yield repeat


def add_canaries(
    references: GoldAndLabels,
    evaluator: Evaluator,
    added: Iterable[canaries.Canary],
    contents: ContentFile,
) -> tuple[AskedCanary, ...]:
    """Adds the two contents of each canary, and returns the canaries with their keys."""
    asked_canaries: list[AskedCanary] = []
    for canary in added:
        gold = references.gold_for(evaluator, canary.carrier)
        both = [content_of(evaluator, trace, gold) for trace in (canary.carrier, canary.trace)]
        for data in both:
            contents.add(hash_content(data), data)
        asked_canaries.append(AskedCanary(canary, *map(hash_content, both)))
    return tuple(asked_canaries)


def add_anchors(added: Iterable[anchors.AnchoredContent], contents: ContentFile) -> Iterator[str]:
    """Adds the contents of anchors, and yields the keys of their answers."""
    for anchor in added:
        contents.add(anchor.content_key, anchor.data)
        if anchor.key != anchor.content_key:
            contents.add_alias(anchor.key, anchor.content_key)
        yield anchor.key


def read_stored_scores(lake: Lake, night: date, evaluator: Evaluator) -> StoredScores:
    """Reads which stored scores are current, and which are errors that may be repaired."""
    path = find_score_file(lake, night, evaluator)
    stored = StoredScores({}, {}, {})
    for rows in stream_rows(path, SCORE_COLUMNS) if path.exists() else ():
        for row in rows:
            is_failed = row["status"] == "error" and evaluator.asks_model
            if is_failed:
                stored.failed[row["content_key"]] = should_retry(evaluator, row)
            if not should_retry(evaluator, row):
                keys = stored.settled if is_failed else stored.current
                keys[row["trace_id"]] = row["content_key"]
    return stored


def should_retry(evaluator: Evaluator, score: Mapping[str, object]) -> bool:
    """Whether a stored row is retried: its error may pass, or its model is available now."""
    if score["status"] == "error":
        code, retryable = str(score["code"]), bool(score["retryable"])
        return not is_settled(code, retryable=retryable)
    if score["retryable"]:
        return True
    if score["status"] == "skipped" and score["code"] == "budget":
        return True
    if score["status"] == "skipped" and evaluator.pin and score["code"] in ("no-model", "no-key"):
        return models.why_unavailable(evaluator.pin) is None
    return False


def list_unpaid(
    lake: Lake,
    evaluator: Evaluator,
    keys: Iterable[str],
    failed: Mapping[str, bool] = NONE_FAILED,
) -> Iterator[WantedAnswer]:
    """Lists the answers to ask for, each once, in the order given.

    Args:
        lake: has the answers paid so far.
        evaluator: the judge.
        keys: the keys of the answers that are needed.
        failed: see `Worklist.failed`: an answer to one of them gave no verdict.
    """
    distinct, route = dict.fromkeys(keys), evaluator.route
    with ledger.open_index(lake, evaluator.answer_version or "", distinct) as paid:
        for key in distinct:
            entry = paid.entries.get(key)
            if needs_call(entry, route, failed.get(key)):
                yield WantedAnswer(key, paid.count_attempts(key), entry.code if entry else None)


def name_score_file(evaluator: Evaluator) -> str:
    """Returns the name of the file with an evaluator's scores of a night."""
    return evaluator.score_file


def find_score_file(lake: Lake, night: date, evaluator: Evaluator) -> Path:
    """Returns the path of the file with an evaluator's scores of a night."""
    return lake.locate_partition("scores", night) / f"{name_score_file(evaluator)}.parquet"
