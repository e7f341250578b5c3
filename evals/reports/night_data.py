"""Reads what the sections of a night's report are built from: marts, tables, and the ledger.

Reads marts by name and has no joins; what the figures mean is in `sections` and `decide`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import cast

from evals.evaluators.registry import is_recorded
from evals.models import FAULTS
from evals.reports import json_form
from evals.reports.archive import read_earlier_reports, read_report
from evals.reports.classifier_inputs import Inputs, watch_classifiers
from evals.reports.decide.blessed import Blessed, read_rates
from evals.reports.decide.incident_records import Action, Decision, KnownName
from evals.reports.decide.rows import Paid, Row
from evals.reports.failing_examples import list_failing_answers
from evals.reports.incident_names import list_known_names
from evals.reports.label_counts import count_labels
from evals.reports.row_counts import (
    Accounting,
    FileCount,
    LabelCounts,
    LateCount,
    ReasonCount,
    Redacted,
    RuleCount,
)
from evals.reports.sections import provenance, results, slices
from evals.reports.unmet_examples import list_unmet_requests
from evals.slices.findings import SliceSearch, search_slices
from evals.slices.traces_table import Scored
from evals.specs import App, Attacks, Catalog, CatalogError, Dimension, Evaluator, Slice
from evals.specs.cases import hash_cases, load_cases, locate_cases
from evals.storage import night_state
from evals.storage.documents.accounts import Account, FileAccount, Redactions
from evals.storage.documents.blessed_baselines import find_baseline
from evals.storage.documents.inbox_files import read_inbox_files
from evals.storage.documents.incident_decisions import read_decisions
from evals.storage.lake import Lake
from evals.storage.ledger import list_answer_files, select_intact
from evals.storage.marts import list_locked_files, read_mart, read_rates_of
from evals.storage.queries import open_duckdb, read_parquet_files
from evals.storage.refused_rows import count_unplaced

RECENT = 14

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
    """One application's stored night: the `NightData` of `section`.

    Rows that several sections read are read once.
    """

    lake: Lake
    catalog: Catalog
    date: date
    app: App
    counts: Account
    """The account of the application's rows, as the night's state keeps it."""
    evaluators: Sequence[Evaluator] = ()
    """The evaluators that the night is locked to."""
    baseline: Versions = field(default_factory=Versions)
    """The report versions of the nights that this one is compared with."""
    marts: MartRows = field(default_factory=MartRows)
    """Rows that are already read, by mart and nights."""

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
        """The suite's, in its order, then the default one."""
        return {d.dimension: d for d in self.catalog.dimensions_of(self.app)}

    @property
    def slices(self) -> Sequence[Slice]:
        """The catalog's."""
        return self.catalog.slices

    @property
    def attacks(self) -> Attacks:
        """The catalog's attacks."""
        return self.catalog.attacks

    @property
    def case_set(self) -> tuple[int, str] | None:
        """How many regression cases the catalog has, and their version; None if unreadable."""
        try:
            cases = load_cases(locate_cases(self.catalog.root, self.app.app))
        except CatalogError:  # `andon doctor` and the gate name the line
            return None
        return (len(cases), hash_cases(cases)) if cases else None

    @property
    def board_applications(self) -> int:
        """How many applications the catalog has."""
        return len({*self.catalog.apps, *self.catalog.broken})

    @property
    def blessed(self) -> Blessed | None:
        """The report that a person named as the baseline, by this night."""
        stored = find_baseline(self.lake, self.app.app, self.date)
        report = stored and read_report(self.lake, stored.night, stored.app, stored.version)
        if not stored or not report:
            return None
        rates = read_rates(report[results.SECTION])
        why = (stored.by, stored.reason, stored.first)
        return Blessed(stored.night, stored.version, *why, rates)

    @property
    def incident_decisions(self) -> Sequence[Decision]:
        """What people decided on its incidents, by this night."""
        return [
            Decision(one.incident, one.night, parse_action(one.action), one.by, one.reason)
            for one in read_decisions(self.lake, self.app.app)
            if one.night <= self.date
        ]

    @property
    def incident_names(self) -> Sequence[KnownName]:
        """The names that reports gave to its incidents."""
        return list_known_names(self.lake, self.app.app)

    @property
    def accounting(self) -> Accounting:
        """The counts of the night's rows, in total and by file."""
        return read_account(self.lake, self.counts)

    def read_rows_tonight(self, model: str) -> Sequence[Row]:
        """Returns a mart's rows of this night."""
        return self._read_rows(model, [self.date])

    def read_rows_before(self, model: str) -> Sequence[Row]:
        """Returns a mart's rows of the baseline's nights."""
        return self._read_rows(model, list(self.baseline))

    def read_rows_so_far(self, model: str) -> Sequence[Row]:
        """Returns a mart's rows of this night and of all nights before."""
        nights = self.lake.list_nights(f"marts/{model}")
        return self._read_rows(model, [night for night in nights if night <= self.date])

    def read_recent_rows(self, model: str) -> Sequence[Row]:
        """Returns a mart's rows of this night and of the 13 before."""
        nights = [self.date - timedelta(days=back) for back in range(RECENT - 1, -1, -1)]
        return self._read_rows(model, nights)

    def read_rates_so_far(self, slices: Sequence[str]) -> Sequence[Row]:
        """Returns the rates of some slices of this night and of all nights before."""
        nights = [n for n in self.lake.list_nights("marts/rpt_rates") if n <= self.date]
        return [
            row
            for row in read_rates_of(self.lake, nights, tuple(slices))
            if row["app"] == self.app.app
        ]

    def _read_rows(self, model: str, nights: Sequence[date]) -> list[Row]:
        key = (model, tuple(nights))
        if key not in self.marts:
            rows = read_mart(self.lake, model, nights)
            self.marts[key] = [row for row in rows if row["app"] == self.app.app]
        return self.marts[key]

    def read_table_rows(self, name: str) -> Sequence[Row]:
        """Returns the night's rows of a table, such as `coverage`, `canaries` or `parts`."""
        return self._read_table(name, [self.date])

    def read_table_rows_before(self, name: str) -> Sequence[Row]:
        """Returns a table's rows of the baseline's nights."""
        return self._read_table(name, list(self.baseline))

    def read_anchors_so_far(self) -> Sequence[Row]:
        """Returns the anchors of this night and of all nights before."""
        nights = tuple(night for night in self.lake.list_nights("anchors") if night <= self.date)
        if ("anchors", nights) not in self.marts:
            self.marts["anchors", nights] = self._read_table("anchors", nights)
        return self.marts["anchors", nights]

    def _read_table(self, name: str, nights: Sequence[date]) -> list[Row]:
        files = list_locked_files(self.lake, name, nights)
        rows = [row for file in files for row in self.lake.read_file(name, file)]
        return [row._asdict() for row in rows if row.app == self.app.app]

    def read_label_counts(self) -> LabelCounts:
        """Returns how many labels count, and why others do not."""
        return count_labels(self.lake, self.catalog, self.app.app, self.date)

    def list_answering_models(self) -> Sequence[Row]:
        """Returns which models answered for its scores, whichever night paid for them."""
        return list_answering_models(self.lake, self.date, self.evaluators)

    def list_answering_models_before(self) -> Sequence[Row]:
        """Returns the same from the latest earlier report that has it."""
        for report in reversed(read_earlier_reports(self.lake, self.app.app, self.date)):
            rows = [
                {"evaluator": judge.name, **cast("Row", json_form.to_json(by))}
                for judge in report[provenance.SECTION].evaluators
                for by in judge.answered_by
            ]
            if rows:
                return rows
        return []

    def explain_faults(self) -> Mapping[str, str]:
        """Returns what each error code of a call means, and what to do."""
        return FAULTS

    def list_failing_answers(self) -> Sequence[Row]:
        """Returns failing answers to read, the first of each dimension in the sampling order."""
        return list_failing_answers(self.lake, self.date, self.app.app)

    def search_slices(self) -> SliceSearch:
        """Searches slices that fail more than the rest, for the evaluators that may decide."""
        return search_slices_of(self.lake, self.catalog, self.date, self.app, self.dimensions)

    def list_unmet_requests(self) -> Sequence[Row]:
        """Returns requests that were not met, up to three of each topic, shortened."""
        return list_unmet_requests(self.lake, self.date, self.app.app)

    def watch_classifiers(self) -> Sequence[Inputs]:
        """Compares the inputs of classifiers with those they were trained on."""
        return watch_classifiers(self.lake, self.date, self.evaluators)

    def sum_paid(self) -> Paid:
        """Sums what the night paid for its answers."""
        return sum_paid(self.lake, self.date, self.app.app, self.evaluators)


def parse_action(text: str) -> Action:
    """Returns the action with a stored text."""
    return "reopen" if text == "reopen" else "accept"


def read_account(lake: Lake, stored: Account) -> Accounting:
    """Returns a stored account as reports have it; keys it lacks are of an older Andon."""
    redacted = stored.get("redacted")
    return Accounting(
        read=stored.get("read", 0),
        accepted=stored.get("accepted", 0),
        duplicate=stored.get("duplicate", 0),
        quarantined=stored.get("quarantined", 0),
        reasons=tuple(ReasonCount(code, n) for code, n in stored.get("reasons", {}).items()),
        corrected=stored.get("corrected", 0),
        merged=stored.get("merged", 0),
        late=tuple(
            LateCount(day["seen"], day["late"], day["corrected"]) for day in stored.get("late", ())
        ),
        files=count_by_file(lake, stored.get("files", {})),
        redacted=count_redacted(redacted) if redacted else None,
    )


def count_redacted(stored: Redactions) -> Redacted:
    """Returns the redactions of an account as reports have them."""
    rules = (RuleCount(row["rule"], row["traces"], row["places"]) for row in stored["rules"])
    return Redacted(stored["traces"], tuple(rules))


def count_by_file(lake: Lake, stored: Mapping[str, FileAccount]) -> tuple[FileCount, ...]:
    """Returns the account of each inbox file of a night, under its name in the inbox."""
    files = {row.sha256[:16]: row for row in read_inbox_files(lake).values()} if stored else {}
    return tuple(
        FileCount(
            file=(files[sha].place or files[sha].name) if sha in files else "unknown",
            sha=sha,
            read=counts["read"],
            accepted=counts["accepted"],
            duplicate=counts["duplicate"],
            quarantined=counts["quarantined"],
            unplaced=count_unplaced(lake, sha),
        )
        for sha, counts in stored.items()
    )


def find_baseline_versions(lake: Lake, app: App, before: date) -> Versions:
    """Returns the report versions of the nights before one, that is tonight or an incident's first.

    Refused nights are left out.
    """
    versions = Versions()
    for back in range(app.gate.baseline_nights, 0, -1):
        day = before - timedelta(days=back)
        state = night_state.read_state(lake, day)
        account = state.apps.get(app.app)
        version = state.reports.get(app.app)
        if version and not (account and account.get("refused")):
            versions[day] = version
    return versions


def list_answering_models(lake: Lake, night: date, evaluators: Sequence[Evaluator]) -> list[Row]:
    """Returns which models answered for a night's scores, whichever night paid for them."""
    models: list[Row] = []
    for judge in evaluators:
        name = f"{judge.name}@{judge.app}@{judge.version}.parquet"
        scores = lake.locate_partition("scores", night) / name
        answers = list_answer_files(lake, judge.answer_version) if judge.answer_version else []
        if not scores.exists() or not answers:
            continue
        answers = list(select_intact(answers))
        if not answers:
            continue
        with open_duckdb() as db:
            read_parquet_files(db, answers).create_view("answers")
            read_parquet_files(db, [scores]).create_view("scores")
            rows = db.sql(ANSWERED_BY).fetchall()
        shape = ("model", "fingerprint", "n")
        models += [{"evaluator": judge.name} | dict(zip(shape, row, strict=True)) for row in rows]
    return models


def search_slices_of(
    lake: Lake, catalog: Catalog, night: date, app: App, dimensions: Mapping[str, Dimension]
) -> SliceSearch:
    """Searches the slices of an application's night that fail more than the rest.

    Verdicts that were recorded elsewhere, and dimensions that do not gate, are not searched.
    """
    rates = read_rates_of(lake, [night], ("all",))
    scored = {
        Scored(row["dimension"], row["evaluator"], row["evaluator_version"])
        for row in rates
        if row["app"] == app.app
        and row["failed"]
        and not is_recorded(row["kind"])
        and (row["dimension"] not in dimensions or dimensions[row["dimension"]].gate)
    }
    found = search_slices(lake, catalog, app.app, night, sorted(scored))
    if not found.findings:
        return found
    earlier = read_earlier_reports(lake, app.app, night)
    return found._replace(
        confirmed_before=sum(bool(row.terms) for one in earlier for row in one[slices.SECTION])
    )


def sum_paid(lake: Lake, night: date, app: str, evaluators: Sequence[Evaluator]) -> Paid:
    """Sums what a night paid for its answers: its ledger rows."""
    pins = {e.answer_version: e.pin for e in evaluators if e.answer_version and e.pin}
    columns = ("answer_version", "cost_usd", "cost_is_bound", "tokens_in", "tokens_out")
    answers = [
        answer
        for rows in lake.stream_batches("answers", night, columns, app)
        for answer in rows
        if answer["answer_version"] in pins
    ]
    versions = [answer["answer_version"] for answer in answers]
    return Paid(
        usd=round(sum(answer["cost_usd"] for answer in answers), 9),
        calls=len(answers),
        unpriced=sum(pins[version].price_on(night) is None for version in versions),
        tokens_in=sum(answer["tokens_in"] for answer in answers),
        tokens_out=sum(answer["tokens_out"] for answer in answers),
        bounded=sum(bool(answer.get("cost_is_bound")) for answer in answers),
    )
