"""The one batch runner: surveys a night, has the rest asked, derives scores and keeps them.

Resumable and flat in memory; what has to be asked is the survey's, how it is asked `asking`'s,
what a verdict means the evaluators'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Any, NamedTuple

from evals import canaries, guardrails, judges, ledger, nights, scorers
from evals.annotations import References, together
from evals.asking import live
from evals.asking.questions import Asked, Asker, Asking
from evals.lake import Coverage, Lake, from_rows, parquet_batches
from evals.records import Failure, GuardVerdict, Outcome, Score, Skip, Trace
from evals.specs import Evaluator
from evals.survey import NightOf, Survey, score_file, survey

Found = Outcome | Failure | Skip


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


def score_night(
    lake: Lake,
    night: NightOf,
    evaluator: Evaluator,
    references: References,
    journal: ledger.Journal,
    *,
    ask: Asker = live.ask,
    daily_calls: int = 10**9,
    progress: Callable[[int], None] = lambda done: None,
) -> Tally:
    """Brings one evaluator's scores of one night of one application up to date.

    Holds the night × evaluator lock; a second writer waits, re-plans, and finds it done.
    """
    stamp = night.night.isoformat()
    with lake.lock("scores", stamp, evaluator.name, evaluator.app):
        if evaluator.kind == "judge":
            with lake.lock("calls", evaluator.answer_version or ""):
                work = survey(lake, night, evaluator, references)
                asked = pay(lake, work, journal, ask, daily_calls, progress)
                counts = write_scores(lake, work, judged(lake, work, asked))
                write_canaries(lake, work, asked)
        else:
            work, asked = survey(lake, night, evaluator, references), Asked()
            counts = write_scores(lake, work, derived(night, work, references))
        work.contents.close()
    return tally(work, asked, counts)


def pay(
    lake: Lake,
    work: Survey,
    journal: ledger.Journal,
    ask: Asker,
    daily_calls: int,
    progress: Callable[[int], None],
) -> Asked:
    """Has asked what is wanted, within the night's allowance."""
    evaluator = work.evaluator
    if not work.wanted or evaluator.pin is None or evaluator.judge is None:
        return Asked()
    room = max(0, daily_calls - paid_calls(lake, work.night, evaluator.app))
    wanted = work.wanted[:room]
    asked = ask(Asking(work, evaluator.judge, evaluator.pin, journal, wanted, progress))
    return asked if asked.rest else asked._replace(rest=Skip("budget"))


def paid_calls(lake: Lake, night: date, app: str) -> int:
    """Calls a night of an application has paid for, journals included."""
    keys = set()
    for path in (lake.home / "journal").glob("*.jsonl"):
        with ledger.opened(path) as file:
            for _, line in ledger.journal_lines(file):
                answer = ledger.answer_of(line)
                if (answer.night, answer.app) == (night, app):
                    keys.add((answer.answer_version, answer.content_key))
    for rows in lake.batches("answers", night, ("answer_version", "content_key"), app):
        keys |= {(row["answer_version"], row["content_key"]) for row in rows}
    return len(keys)  # an answer that is being settled stands in both for a moment


def judged(lake: Lake, work: Survey, asked: Asked) -> Iterator[Score]:
    """Scores from paid answers; what has no answer is skipped or an error, and says why."""
    evaluator, judge = work.evaluator, work.evaluator.judge
    assert judge is not None  # noqa: S101  only judges get here
    showing: dict[str, list[str]] = {}
    for trace_id, one in work.chosen.items():
        if trace_id not in work.kept:
            showing.setdefault(one.key, []).append(trace_id)
    with ledger.paid(lake, evaluator.answer_version or "", showing) as paid:
        for answer in paid.answers():
            found, final = judges.verdict(judge, answer), not paid.needs(answer.content_key)
            for trace_id in showing.pop(answer.content_key, ()):
                yield score(work, trace_id, found, final=final)
    for trace_id in (name for names in showing.values() for name in names):
        yield score(work, trace_id, asked.rest or Skip("budget"))


def write_canaries(lake: Lake, work: Survey, asked: Asked) -> None:
    """Replaces what the judge said of answers that carried an attack."""
    evaluator, judge = work.evaluator, work.evaluator.judge
    assert judge is not None  # noqa: S101  only judges get here
    keys = {key for one in work.tried for key in (one.clean, one.key)}
    found: dict[str, Found] = dict.fromkeys(keys, asked.rest or Skip("budget"))
    with ledger.paid(lake, evaluator.answer_version or "", keys) as paid:
        found |= {one.content_key: judges.verdict(judge, one) for one in paid.answers()}
    rows = [
        canaries.row(work.night, evaluator, one.canary, found[one.clean], found[one.key])
        for one in work.tried
    ]
    lake.write("canaries", work.night, rows, score_file(evaluator))


def derived(night: NightOf, work: Survey, references: References) -> Iterator[Score]:
    """Scores that need no call."""
    evaluator = work.evaluator
    for trace in night.traces(evaluator):
        if trace.trace_id not in work.chosen or trace.trace_id in work.kept:
            continue
        if evaluator.kind == "recorded":
            for name, labels in sorted(references.recorded(evaluator, trace).items()):
                found = together(evaluator.params["map"], labels)
                yield score(work, trace.trace_id, found, evaluator=name)
            continue
        found = check(evaluator, trace, references.gold(evaluator, trace))
        yield score(work, trace.trace_id, found)


def check(evaluator: Evaluator, trace: Trace, gold: Any) -> Found:
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
    trace_id: str,
    found: Found,
    *,
    evaluator: str | None = None,
    final: bool = False,
) -> Score:
    """What was found as a row of the ledger."""
    one = work.chosen[trace_id]
    about: dict[str, Any] = {
        "trace_id": trace_id,
        "night": work.night,
        "app": work.evaluator.app,
        "dimension": work.evaluator.dimension,
        "evaluator": evaluator or work.evaluator.name,
        "evaluator_version": work.evaluator.version,
        "kind": work.evaluator.kind,
        "content_key": one.key,
        "answer_version": work.evaluator.answer_version,
        "inclusion": one.rate,
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


class Counts(NamedTuple):
    """The rows of a score file, counted while they were written."""

    by_verdict: Counter[str]
    """By verdict where there is one, by status where there is none."""
    by_evaluator: Counter[str]


def write_scores(lake: Lake, work: Survey, found: Iterable[Score]) -> Counts:
    """Replaces the night's score file, a batch in memory at a time, and its coverage."""
    name, counts = score_file(work.evaluator), Counts(Counter(), Counter())
    standing = kept(lake, work)
    with lake.writing("scores", work.night, name) as writer:
        for rows in (standing, found):
            for row in rows:
                writer.add(row)
                counts.by_verdict[row.verdict or row.status] += 1
                counts.by_evaluator[row.evaluator] += 1
    write_coverage(lake, work, counts)
    return counts


def kept(lake: Lake, work: Survey) -> Iterator[Score]:
    """The stored scores that are still true."""
    path = lake.partition("scores", work.night) / f"{score_file(work.evaluator)}.parquet"
    columns = tuple("date" if name == "night" else name for name in Score.__annotations__)
    for rows in parquet_batches(path, columns) if work.kept else ():
        for row in from_rows(Score, rows):
            if row.trace_id in work.kept:
                yield row


def write_coverage(lake: Lake, work: Survey, counts: Counts) -> None:
    """How many traces the evaluator covers and how many it looked at."""
    evaluator = work.evaluator
    about = (work.night, evaluator.app, evaluator.dimension)
    sampled = {evaluator.name: len(work.chosen)}
    if evaluator.kind == "recorded":
        sampled = dict(sorted(counts.by_evaluator.items()))
    covers = [
        Coverage(*about, who, evaluator.version, work.covered, n) for who, n in sampled.items()
    ]
    lake.write("coverage", work.night, covers, score_file(evaluator))


def tally(work: Survey, asked: Asked, counts: Counts) -> Tally:
    """The counts of one night's work."""
    evaluator, rows = work.evaluator, counts.by_verdict
    return Tally(
        evaluator=evaluator.name,
        evaluator_version=evaluator.version,
        app=evaluator.app,
        night=work.night,
        covered=work.covered,
        sampled=len(work.chosen),
        reused=len(work.kept),
        calls=asked.calls,
        passed=rows["pass"],
        failed=rows["fail"],
        errored=rows["error"],
        skipped=rows["skipped"],
        usd=round(asked.usd, 9),
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
