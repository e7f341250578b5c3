"""The one batch runner: surveys a night, reuses what is paid, asks for the rest, derives scores.

Bounded, retried and resumable; what a verdict means is the evaluators', what it costs the models'.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from evals import guardrails, judges, ledger, models, nights, scorers
from evals.annotations import References, together
from evals.lake import Coverage, Lake
from evals.records import Answer, Failure, GuardVerdict, Outcome, Score, Skip, Trace, digest
from evals.specs import Evaluator, ModelPin

CALL_ATTEMPTS = 4
"""Times one call is tried within a run before it counts as failed."""

RUN_ATTEMPTS = 5
"""Runs that try a failing call before its error is final."""


class Tally(NamedTuple):
    """What one evaluator did to one night of one application."""

    evaluator: str
    evaluator_version: str
    app: str
    night: date
    covered: int
    sampled: int
    reused: int
    calls: int
    passed: int
    failed: int
    errored: int
    skipped: int
    usd: float


@dataclass(frozen=True)
class Survey:
    """What an evaluator has to do in one night of one application, decided without a call."""

    evaluator: Evaluator
    night: date
    traces: tuple[Trace, ...]
    """The sampled traces, in hash order: any prefix is a valid sample."""
    covered: int
    keys: dict[str, str]
    """Content key by trace_id."""
    kept: dict[str, list[Score]]
    """Scores that are still true, by trace_id."""
    wanted: dict[str, Trace]
    """Content keys with no paid answer, each with a trace that shows it."""

    @property
    def todo(self) -> list[Trace]:
        """Traces whose score has to be derived anew."""
        return [trace for trace in self.traces if trace.trace_id not in self.kept]


class NightOf:
    """One night's traces, read once and shared by its evaluators."""

    def __init__(self, lake: Lake, night: date) -> None:
        self.lake, self.night = lake, night
        self.by_app: dict[str, list[Trace]] = {}
        for trace in lake.read("traces", [night]):
            self.by_app.setdefault(trace.app, []).append(trace)
        self.covering: dict[str, set[str]] = {}

    def covered(self, evaluator: Evaluator) -> list[Trace]:
        """The traces an evaluator is about."""
        traces = self.by_app.get(evaluator.app, [])
        if not evaluator.where or not traces:
            return traces
        ids = self.covering.get(evaluator.where)
        if ids is None:
            sql = f"select trace_id from traces where {evaluator.where}"  # noqa: S608  the catalog's
            ids = {row["trace_id"] for row in self.lake.rows(sql, {"traces": [self.night]})}
            self.covering[evaluator.where] = ids
        return [trace for trace in traces if trace.trace_id in ids]


def place(trace_id: str, dimension: str) -> float:
    """Where a trace stands in the sampling order of a dimension, in [0, 1)."""
    taken = hashlib.blake2b(f"{dimension}\0{trace_id}".encode(errors="replace"), digest_size=8)
    return int.from_bytes(taken.digest(), "big") / 2**64


def content_key(evaluator: Evaluator, trace: Trace, gold: Any) -> str:
    """The hash of what an evaluator reads in a trace; gold is part of it."""
    read = {name: getattr(trace, name) for name in evaluator.reads}
    return digest([read, gold], 32)


def score_file(evaluator: Evaluator) -> str:
    """The name of the file that holds an evaluator's scores of a night."""
    return f"{evaluator.name}@{evaluator.app}@{evaluator.version}"


def survey(lake: Lake, night: NightOf, evaluator: Evaluator, references: References) -> Survey:
    """What there is to do: which traces, which scores stand, which contents must be paid for."""
    covered = night.covered(evaluator)
    ranked = sorted((place(t.trace_id, evaluator.dimension), t.trace_id, t) for t in covered)
    traces = tuple(t for rank, _, t in ranked if rank < evaluator.sample)
    keys = {
        t.trace_id: recorded_key(evaluator, t, references)
        if evaluator.kind == "recorded"
        else content_key(evaluator, t, references.gold(evaluator, t))
        for t in traces
    }
    kept: dict[str, list[Score]] = {}
    path = lake.partition("scores", night.night) / f"{score_file(evaluator)}.parquet"
    for score in lake.read_file("scores", path):
        if keys.get(score.trace_id) == score.content_key and not reopens(evaluator, score):
            kept.setdefault(score.trace_id, []).append(score)
    wanted: dict[str, Trace] = {}
    if evaluator.kind == "judge":
        answers = ledger.paid(lake, evaluator.name, evaluator.answer_version or "")
        for trace in traces:
            key = keys[trace.trace_id]
            if trace.trace_id not in kept and needs_call(answers.get(key)):
                wanted.setdefault(key, trace)
    return Survey(evaluator, night.night, traces, len(covered), keys, kept, wanted)


def recorded_key(evaluator: Evaluator, trace: Trace, references: References) -> str:
    """The hash of everything recorded of a trace on the evaluator's dimension."""
    said = references.on(trace.trace_id, evaluator.labels)
    return digest([[x.annotator, x.annotator_kind, x.verdict] for x in said], 32)


def needs_call(answer: Answer | None) -> bool:
    """Whether a content has to be asked: never answered, or failed in a way that may pass."""
    if answer is None:
        return True
    return answer.code is not None and answer.retryable and answer.attempts < RUN_ATTEMPTS


def reopens(evaluator: Evaluator, score: Score) -> bool:
    """Whether a stored row should be tried again: a passing fault, or a model now at hand."""
    if score.status == "error":
        return score.retryable
    if score.status == "skipped" and evaluator.pin and score.code in ("no-model", "no-key"):
        return models.unavailable_because(evaluator.pin) is None
    return False


def score_night(
    lake: Lake,
    night: NightOf,
    evaluator: Evaluator,
    references: References,
    journal: ledger.Journal,
    *,
    daily_calls: int = 10**9,
    progress: Callable[[int], None] = lambda done: None,
) -> Tally:
    """Brings one evaluator's scores of one night of one application up to date.

    Holds the night × evaluator lock; a second writer waits, re-plans, and finds it done.
    """
    stamp = night.night.isoformat()
    with lake.lock("scores", stamp, evaluator.name, evaluator.app):
        if evaluator.kind == "judge":
            with lake.lock("calls", evaluator.name, evaluator.answer_version or ""):
                work = survey(lake, night, evaluator, references)
                calls, reason = pay(lake, work, references, journal, daily_calls, progress)
                found = derive_judged(lake, work, reason)
        else:
            work, calls = survey(lake, night, evaluator, references), []
            found = derive(work, references)
        rows = [score for kept in work.kept.values() for score in kept] + found
        write_scores(lake, work, rows)
    return tally(work, rows, calls)


def pay(
    lake: Lake,
    work: Survey,
    references: References,
    journal: ledger.Journal,
    daily_calls: int,
    progress: Callable[[int], None],
) -> tuple[list[Answer], str | None]:
    """Asks for what is wanted, within the night's allowance; why nothing was asked, if so."""
    evaluator = work.evaluator
    pin, judge = evaluator.pin, evaluator.judge
    if not work.wanted or pin is None or judge is None:
        return [], None
    spent = paid_calls(lake, work.night, evaluator.app)
    chosen = list(work.wanted.items())[: max(0, daily_calls - spent)]
    try:
        client = models.open_client(pin) if chosen else None
    except models.Unavailable as error:
        return [], error.reason
    if client is None:
        return [], None
    before = ledger.paid(lake, evaluator.name, evaluator.answer_version or "")
    questions = [
        (key, judges.request(judge, trace, references.gold(evaluator, trace)), before.get(key))
        for key, trace in chosen
    ]
    return asyncio.run(ask_all(client, work, questions, journal, progress)), None


async def ask_all(
    client: models.Client,
    work: Survey,
    questions: Sequence[tuple[str, models.Request, Answer | None]],
    journal: ledger.Journal,
    progress: Callable[[int], None],
) -> list[Answer]:
    """Asks every question, at most `concurrency` at a time; each answer is journalled at once."""
    pin = work.evaluator.pin
    assert pin is not None  # noqa: S101  only judges get here
    queue = list(reversed(questions))
    answers: list[Answer] = []

    async def worker() -> None:
        while queue:
            key, question, before = queue.pop()
            answer = await ask(client, work, key, question, before)
            journal.append(answer)
            answers.append(answer)
            progress(1)

    try:
        await asyncio.gather(*(worker() for _ in range(min(pin.concurrency, len(queue)))))
    finally:
        await client.close()
    return answers


async def ask(
    client: models.Client,
    work: Survey,
    key: str,
    question: models.Request,
    before: Answer | None,
) -> Answer:
    """One question, retried with jittered backoff; an answer or the last error, never neither."""
    evaluator, pin = work.evaluator, work.evaluator.pin
    assert pin is not None  # noqa: S101  only judges get here
    common: dict[str, Any] = {
        "content_key": key,
        "answer_version": evaluator.answer_version or "",
        "evaluator": evaluator.name,
        "night": work.night,
        "app": evaluator.app,
        "attempts": 1 + (before.attempts if before else 0),
        "model": pin.model,
    }
    try:
        reply = await retried(client, question)
    except models.ModelError as error:
        said = {"text": None, "probability": None, "code": error.code, "retryable": error.retryable}
        return Answer(**common, **said, **came_with(pin, work.night, error.reply))
    said = {"text": reply.text, "probability": reply.probability, "code": None, "retryable": False}
    return Answer(**common, **said, **came_with(pin, work.night, reply))


def came_with(pin: ModelPin, night: date, reply: models.Reply | None) -> dict[str, Any]:
    """What an answer says of itself beside its text; nothing when nothing came."""
    if reply is None:
        unknown = dict.fromkeys(("model_answered", "fingerprint", "created"))
        return {**unknown, "tokens_in": 0, "tokens_out": 0, "cost_usd": 0.0}
    return {
        "model_answered": reply.model,
        "fingerprint": reply.fingerprint,
        "created": reply.created,
        "tokens_in": reply.tokens_in,
        "tokens_out": reply.tokens_out,
        "tokens_cached": reply.tokens_cached,
        "finish": reply.finish,
        "temperature": reply.temperature,
        "seed": reply.seed,
        "cost_usd": models.cost(pin, night, reply.tokens_in, reply.tokens_out),
    }


async def retried(client: models.Client, question: models.Request) -> models.Reply:
    """One call, tried again while its error may pass; waits as long as the provider asks."""
    import tenacity

    backoff = tenacity.wait_random_exponential(multiplier=0.25, max=8)

    def wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait_s if isinstance(error, models.ModelError) else None
        return backoff(state) + min(asked or 0.0, 60.0)

    def may_pass(error: BaseException) -> bool:
        return isinstance(error, models.ModelError) and error.retryable

    async for attempt in tenacity.AsyncRetrying(
        stop=tenacity.stop_after_attempt(CALL_ATTEMPTS),
        wait=wait,
        retry=tenacity.retry_if_exception(may_pass),
        reraise=True,
    ):
        with attempt:
            return await client.ask(question)
    raise AssertionError("tenacity reraises")


def paid_calls(lake: Lake, night: date, app: str) -> int:
    """Calls a night of an application has paid for, journals included."""
    arrived = (
        answer
        for path in (lake.home / "journal").glob("*.jsonl")
        for answer in ledger.journal_answers(path)
        if answer.night == night
    )
    every = (*arrived, *lake.read("answers", [night]))
    keys = {(a.evaluator, a.answer_version, a.content_key) for a in every if a.app == app}
    return len(keys)  # an answer that is being settled stands in both for a moment


def derive_judged(lake: Lake, work: Survey, reason: str | None) -> list[Score]:
    """Scores from paid answers; what has no answer is skipped, and says why."""
    evaluator, judge = work.evaluator, work.evaluator.judge
    assert judge is not None  # noqa: S101  only judges get here
    answers = ledger.paid(lake, evaluator.name, evaluator.answer_version or "")
    rows = []
    for trace in work.todo:
        answer = answers.get(work.keys[trace.trace_id])
        if answer is None:
            found: Outcome | Failure | Skip = Skip(reason or "budget")
        else:
            found = judges.verdict(judge, answer)
        final = answer is not None and not needs_call(answer)
        rows.append(score(work, trace, found, final=final))
    return rows


def derive(work: Survey, references: References) -> list[Score]:
    """Scores that need no call."""
    evaluator = work.evaluator
    rows = []
    for trace in work.todo:
        if evaluator.kind == "recorded":
            for name, labels in sorted(references.recorded(evaluator, trace).items()):
                found = together(evaluator.params["map"], labels)
                rows.append(score(work, trace, found, evaluator=name))
            continue
        rows.append(score(work, trace, check(evaluator, trace, references.gold(evaluator, trace))))
    return rows


def check(evaluator: Evaluator, trace: Trace, gold: Any) -> Outcome | Failure | Skip:
    """One evaluator on one trace; a defect in the evaluator is an error row, not a verdict."""
    try:
        if evaluator.kind == "guardrail":
            guard = guardrails.GUARDRAILS[evaluator.check]
            return guard.run(trace, evaluator.reads, evaluator.params)
        return scorers.SCORERS[evaluator.check].function(trace, evaluator.params, gold)
    except Exception as error:
        return Failure("evaluator-defect", f"{type(error).__name__}: {error}"[:300])


def score(
    work: Survey,
    trace: Trace,
    found: Outcome | Failure | Skip,
    *,
    evaluator: str | None = None,
    final: bool = False,
) -> Score:
    """What was found as a row of the ledger."""
    about: dict[str, Any] = {
        "trace_id": trace.trace_id,
        "night": work.night,
        "app": trace.app,
        "dimension": work.evaluator.dimension,
        "evaluator": evaluator or work.evaluator.name,
        "evaluator_version": work.evaluator.version,
        "kind": work.evaluator.kind,
        "content_key": work.keys[trace.trace_id],
        "answer_version": work.evaluator.answer_version,
        "inclusion": work.evaluator.sample,
    }
    nothing: dict[str, Any] = {"verdict": None, "value": None}
    match found:
        case Outcome(passed, value, explanation):
            verdict = "pass" if passed else "fail"
            said = {"verdict": verdict, "value": value, "explanation": explanation, "code": None}
            return Score(**about, **said, status="scored")
        case Failure(code, message, retryable):
            again = retryable and not final
            said = {"explanation": message, "code": code, "retryable": again}
            return Score(**about, **nothing, **said, status="error")
        case Skip(reason):
            return Score(**about, **nothing, explanation="", code=reason, status="skipped")


def write_scores(lake: Lake, work: Survey, rows: Sequence[Score]) -> None:
    """Replaces the night's score file and its coverage."""
    evaluator, name = work.evaluator, score_file(work.evaluator)
    ordered = sorted(rows, key=lambda row: (row.trace_id, row.evaluator))
    lake.write("scores", work.night, ordered, name)
    about = (work.night, evaluator.app, evaluator.dimension)
    if evaluator.kind == "recorded":
        counts = {row.evaluator: 0 for row in ordered}
        for row in ordered:
            counts[row.evaluator] += 1
        covers = [
            Coverage(*about, who, evaluator.version, work.covered, n)
            for who, n in sorted(counts.items())
        ]
    else:
        sampled = len(work.traces)
        covers = [Coverage(*about, evaluator.name, evaluator.version, work.covered, sampled)]
    lake.write("coverage", work.night, covers, name)


def tally(work: Survey, rows: Iterable[Score], calls: Sequence[Answer]) -> Tally:
    """The counts of one night's work."""
    rows = list(rows)
    evaluator = work.evaluator
    return Tally(
        evaluator=evaluator.name,
        evaluator_version=evaluator.version,
        app=evaluator.app,
        night=work.night,
        covered=work.covered,
        sampled=len(work.traces),
        reused=len(work.kept),
        calls=len(calls),
        passed=sum(row.verdict == "pass" for row in rows),
        failed=sum(row.verdict == "fail" for row in rows),
        errored=sum(row.status == "error" for row in rows),
        skipped=sum(row.status == "skipped" for row in rows),
        usd=round(sum(answer.cost_usd for answer in calls), 9),
    )


def guard_night(lake: Lake, night: date) -> list[GuardVerdict]:
    """Turns a night's guardrail scores into verdicts and keeps them; no call is made."""
    rows = []
    for app, versions in sorted(nights.state(lake, night).get("evaluators", {}).items()):
        for name, version in sorted(versions.items()):
            evaluator = nights.remembered(lake, name, app, version)
            if evaluator.guardrail is None:
                continue
            path = lake.partition("scores", night) / f"{score_file(evaluator)}.parquet"
            decided = (
                guardrails.decide(s, evaluator.guardrail) for s in lake.read_file("scores", path)
            )
            rows += [verdict for verdict in decided if verdict is not None]
    lake.write("verdicts", night, rows)
    return rows
