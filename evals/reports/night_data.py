"""Reads what the sections of a night's report are built from: marts, tables, and the ledger.

Reads marts by name and holds no joins; what the figures mean is `sections`' and `decide`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, cast

from evals.records import Trace
from evals.reports import json_form
from evals.reports.archive import earlier_reports
from evals.reports.decide.rows import Row
from evals.reports.sections import provenance
from evals.specs import App, Attacks, Catalog, Dimension, Evaluator
from evals.storage import night_state
from evals.storage.files import parquet_batches
from evals.storage.lake import Lake, connection, parquet
from evals.storage.ledger import answer_files
from evals.storage.marts import locked_files, mart, mart_files
from evals.storage.refused_rows import count_unplaced
from evals.worklist.sampling import compute_place

EXAMPLES = 5

Versions = dict[date, str]
MartRows = dict[tuple[str, tuple[date, ...]], list[Row]]

ANSWERED_BY = """
select model_answered, fingerprint, count(distinct content_key)
from answers
where model_answered is not null and content_key in (select content_key from scores)
group by all order by all
"""


@dataclass(frozen=True, eq=False)
class StoredNight:
    """One application's night as it is at rest: the `NightData` of `section`.

    What several sections read is read once.
    """

    lake: Lake
    catalog: Catalog
    date: date
    app: App
    counts: Mapping[str, Any]
    """What became of the night's rows, as its state keeps it."""
    evaluators: Sequence[Evaluator] = ()
    """Those the night is locked to."""
    baseline: Versions = field(default_factory=Versions)
    """The report versions of the nights it is compared with."""
    labels_random: bool = False
    marts: MartRows = field(default_factory=MartRows)
    """The rows that were read, by mart and nights."""

    @property
    def suite(self) -> str | None:
        """The application's suite, if it has one."""
        return self.app.suite

    @property
    def demo(self) -> bool:
        """Whether the catalog declares its data to be a demo's."""
        return self.catalog.demo

    @property
    def dimensions(self) -> Mapping[str, Dimension]:
        """The suite's, in its order."""
        suite = self.catalog.suites.get(self.app.suite or "")
        return {d.dimension: d for d in suite.dimensions} if suite else {}

    @property
    def attacks(self) -> Attacks:
        """The catalog's."""
        return self.catalog.attacks

    @property
    def account(self) -> Mapping[str, Any]:
        """What became of the night's rows, whole and by file."""
        reasons = [{"code": code, "count": n} for code, n in self.counts.get("reasons", {}).items()]
        return {**self.counts, "reasons": reasons, "files": file_accounts(self.lake, self.counts)}

    def tonight(self, model: str) -> Sequence[Row]:
        """A mart's rows of this night."""
        return self._rows(model, [self.date])

    def before(self, model: str) -> Sequence[Row]:
        """A mart's rows of the nights it is compared with."""
        return self._rows(model, list(self.baseline))

    def so_far(self, model: str) -> Sequence[Row]:
        """A mart's rows of this night and of every night before."""
        nights = self.lake.nights(f"marts/{model}")
        return self._rows(model, [night for night in nights if night <= self.date])

    def _rows(self, model: str, nights: Sequence[date]) -> list[Row]:
        key = (model, tuple(nights))
        if key not in self.marts:
            rows = mart(self.lake, model, nights)
            self.marts[key] = [row for row in rows if row["app"] == self.app.app]
        return self.marts[key]

    def table(self, name: str) -> Sequence[Row]:
        """What the night's evaluators wrote of themselves: their coverage, canaries or noise."""
        files = locked_files(self.lake, name, [self.date])
        rows = [row for file in files for row in self.lake.read_file(name, file)]
        return [row._asdict() for row in rows if row.app == self.app.app]

    def answering_models(self) -> Sequence[Row]:
        """Which models answered the contents of its scores, whichever night paid for them."""
        return answering_models(self.lake, self.date, self.evaluators)

    def answering_models_before(self) -> Sequence[Row]:
        """Which models answered according to the latest earlier report that has it."""
        for report in reversed(earlier_reports(self.lake, self.app.app, self.date)):
            rows = [
                {"evaluator": judge.name, **cast("Row", json_form.to_json(by))}
                for judge in report[provenance.SECTION].evaluators
                for by in judge.answered_by
            ]
            if rows:
                return rows
        return []

    def failing_answers(self) -> Sequence[Row]:
        """Failing answers to read: one of each dimension in turn, in the sampling order."""
        return failing_answers(self.lake, self.date, self.app.app)

    def paid(self) -> Mapping[str, Any]:
        """What the night paid for its answers: the sum of its ledger rows."""
        return sum_paid(self.lake, self.date, self.app.app, self.evaluators)


def file_accounts(lake: Lake, account: Mapping[str, Any]) -> list[Row]:
    """The account of each inbox file that fed a night, under the name it has in the inbox."""
    counted = account.get("files", {})
    known = {row.sha256[:16]: row for row in lake.inbox_files().values()} if counted else {}
    return [
        {
            **counts,
            "file": (known[sha].place or known[sha].name) if sha in known else "unknown",
            "sha": sha,
            "unplaced": count_unplaced(lake, sha),
        }
        for sha, counts in counted.items()
    ]


def baseline_versions(lake: Lake, app: App, night: date) -> Versions:
    """The report versions of the nights a night is compared with."""
    found = Versions()
    for back in range(app.gate.baseline_nights, 0, -1):
        day = night - timedelta(days=back)
        known = night_state.read_state(lake, day)
        account = known.apps.get(app.app)
        version = known.reports.get(app.app)
        if version and not (account and account.get("refused")):
            found[day] = version
    return found


def answering_models(lake: Lake, night: date, evaluators: Sequence[Evaluator]) -> list[Row]:
    """Which models answered the contents of a night's scores, whichever night paid for them."""
    found: list[Row] = []
    for judge in evaluators:
        name = f"{judge.name}@{judge.app}@{judge.version}.parquet"
        scores = lake.partition("scores", night) / name
        answers = answer_files(lake, judge.answer_version) if judge.answer_version else []
        if not scores.exists() or not answers:
            continue
        with connection() as db:
            parquet(db, answers).create_view("answers")
            parquet(db, [scores]).create_view("scores")
            rows = db.sql(ANSWERED_BY).fetchall()
        shape = ("model", "fingerprint", "n")
        found += [{"evaluator": judge.name} | dict(zip(shape, row, strict=True)) for row in rows]
    return found


def sum_paid(
    lake: Lake, night: date, app: str, evaluators: Sequence[Evaluator]
) -> dict[str, float | int]:
    """What a night paid for its answers: the sum of its ledger rows."""
    pins = {e.answer_version: e.pin for e in evaluators if e.answer_version and e.pin}
    columns = ("answer_version", "cost_usd", "tokens_in", "tokens_out")
    answers = [
        answer
        for rows in lake.batches("answers", night, columns, app)
        for answer in rows
        if answer["answer_version"] in pins
    ]
    versions = [answer["answer_version"] for answer in answers]
    return {
        "usd": round(sum(answer["cost_usd"] for answer in answers), 9),
        "calls": len(answers),
        "unpriced": sum(pins[version].price_on(night) is None for version in versions),
        "tokens_in": sum(answer["tokens_in"] for answer in answers),
        "tokens_out": sum(answer["tokens_out"] for answer in answers),
    }


def failing_answers(lake: Lake, night: date, app: str) -> list[Row]:
    """Failing answers to read: one of each dimension in turn, in the sampling order."""
    failing = [
        row
        for file in mart_files(lake, "fct_scores", [night])
        for rows in parquet_batches(file, only=("verdict", ["fail"]))
        for row in rows
        if row["app"] == app
    ]
    chosen = {row["trace_id"]: row for row in in_turn(failing, app)}
    traces = {t.trace_id: t for t in lake.picked("traces", night, ("trace_id", chosen))}
    return [example(row, traces[key]) for key, row in chosen.items() if key in traces]


def in_turn(failing: Sequence[Row], app: str) -> Iterator[Row]:
    """The first traces in the sampling order, one of each dimension in turn."""
    queues: dict[str, list[Row]] = {}
    for row in sorted(failing, key=lambda r: (compute_place(r["trace_id"], app), r["evaluator"])):
        queues.setdefault(row["dimension"], []).append(row)
    seen = set[str]()
    ordered = sorted(queues.items(), key=lambda item: (-len(item[1]), item[0]))
    while len(seen) < EXAMPLES and any(queue for _, queue in ordered):
        for _, queue in ordered:
            row = queue.pop(0) if queue else None
            if row and len(seen) < EXAMPLES and row["trace_id"] not in seen:
                seen.add(row["trace_id"])
                yield row


def example(row: Row, trace: Trace) -> Row:
    """A failing answer in full, with the evaluator's words."""
    shown = ("input", "context", "output", "model", "prompt_version", "session_id")
    return {
        **{key: row[key] for key in ("trace_id", "dimension", "evaluator", "verdict")},
        "explanation": row["explanation"] or "",
        "ts": trace.ts.isoformat(),
        **{key: getattr(trace, key) for key in shown},
        "steps": list(trace.steps),
        "source_file": trace.source_file,
        "source_line": trace.source_line,
    }
