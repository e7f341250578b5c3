"""A night whose rows are given: what sections read, without a lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from evals.models import FAULTS
from evals.reports.classifier_inputs import Inputs
from evals.reports.decide.blessed import Blessed
from evals.reports.decide.incident_records import Decision, KnownName
from evals.reports.decide.rows import Paid, Row
from evals.reports.report import Report, build_report
from evals.reports.row_counts import Accounting, LabelCounts
from evals.slices.findings import SliceSearch
from evals.specs import App, Attacks, Dimension, Evaluator, Slice

NO_ROWS = Accounting(read=0, accepted=0, duplicate=0, quarantined=0, reasons=())


@dataclass(frozen=True)
class Night:
    """The `NightData` of tests: rows of marts and tables as they would be read."""

    date: date
    app: App
    suite: str | None
    rates: Sequence[Row] = ()
    dimensions: Mapping[str, Dimension] = field(default_factory=dict)
    evaluators: Sequence[Evaluator] = ()
    history: Sequence[Row] = ()
    versions: Mapping[date, str] = field(default_factory=dict)
    provenance: Sequence[Row] = ()
    history_provenance: Sequence[Row] = ()
    cause_rates: Sequence[Row] = ()
    """Of this night and of those before, each with its date."""
    strata: Sequence[Row] = ()
    """The same."""
    agreement: Sequence[Row] = ()
    anchors: Sequence[Row] = ()
    """Of this night and of those before, each with its date."""
    canaries: Sequence[Row] = ()
    classifiers: tuple[Inputs, ...] = ()
    attacks: Attacks = Attacks()  # noqa: RUF009  frozen
    noise: Sequence[Row] = ()
    parts: Sequence[Row] = ()
    pairs: Sequence[Row] = ()
    answered: Sequence[Row] = ()
    answered_before: Sequence[Row] = ()
    failures: Sequence[Row] = ()
    statuses: Sequence[Row] = ()
    guard_audit: Sequence[Row] = ()
    topics: Sequence[Row] = ()
    """Of this night and of those before, each with its date."""
    unmet: Sequence[Row] = ()
    slices: Sequence[Slice] = ()
    coverage: Sequence[Row] = ()
    coverage_before: Sequence[Row] = ()
    label_counts: LabelCounts = LabelCounts()  # noqa: RUF009  frozen
    accounting: Accounting = NO_ROWS
    examples: Sequence[Row] = ()
    cost: Paid = Paid()  # noqa: RUF009  frozen
    demo: bool = False
    is_third: bool = False
    """Whether the two nights before were like this one: then a clear drop is an incident."""
    board_applications: int = 1
    incident_decisions: Sequence[Decision] = ()
    incident_names: Sequence[KnownName] = ()
    case_set: tuple[int, str] | None = None
    blessed: Blessed | None = None
    slice_search: SliceSearch = SliceSearch()  # noqa: RUF009  frozen

    @property
    def baseline(self) -> Mapping[date, str]:
        """The report versions of the nights before."""
        return self.versions

    def read_rows_tonight(self, model: str) -> Sequence[Row]:
        """A mart's rows of this night."""
        marts = {
            "rpt_rates": self.rates,
            "rpt_cause_rates": self.cause_rates,
            "rpt_strata": [row for row in self.strata if row["date"] == self.date],
            "rpt_provenance": self.provenance,
            "rpt_failures": self.failures,
            "rpt_statuses": self.statuses,
            "rpt_guard_audit": self.guard_audit,
        }
        return marts[model]

    def read_rows_before(self, model: str) -> Sequence[Row]:
        """A mart's rows of the nights before."""
        marts = {
            "rpt_rates": self.history,
            "rpt_cause_rates": (),
            "rpt_strata": [row for row in self.strata if row["date"] != self.date],
            "rpt_provenance": self.history_provenance,
        }
        return marts[model]

    def read_rows_so_far(self, model: str) -> Sequence[Row]:
        """A mart's rows of all nights."""
        return {"fct_agreement": self.agreement, "rpt_strata": self.strata}[model]

    def read_anchors_so_far(self) -> Sequence[Row]:
        """The anchors of all nights."""
        return self.anchors

    def read_rates_so_far(self, slices: Sequence[str]) -> Sequence[Row]:
        """The rates of some slices of all nights."""
        days = 2 if self.is_third else 0
        before = [{**row, "date": row["date"] - timedelta(days=days)} for row in self.history]
        like = [
            {**row, "date": self.date - timedelta(days=back)}
            for back in range(1, days + 1)
            for row in self.rates
        ]
        return [row for row in (*before, *like, *self.rates) if row["slice"] in slices]

    def read_recent_rows(self, model: str) -> Sequence[Row]:
        """A mart's rows of the last nights."""
        return {"rpt_topics": self.topics}[model]

    def read_table_rows(self, name: str) -> Sequence[Row]:
        """The night's rows of a table."""
        tables = {"coverage": self.coverage, "canaries": self.canaries, "noise": self.noise}
        return {**tables, "parts": self.parts, "pairs": self.pairs}[name]

    def read_table_rows_before(self, name: str) -> Sequence[Row]:
        """A table's rows of the nights before."""
        return {"coverage": self.coverage_before}[name]

    def read_label_counts(self) -> LabelCounts:
        """How many labels count."""
        return self.label_counts

    def list_answering_models(self) -> Sequence[Row]:
        """Which models answered."""
        return self.answered

    def list_answering_models_before(self) -> Sequence[Row]:
        """Which models answered before."""
        return self.answered_before

    def explain_faults(self) -> Mapping[str, str]:
        """What the error codes mean."""
        return FAULTS

    def list_failing_answers(self) -> Sequence[Row]:
        """Answers to read."""
        return self.examples

    def search_slices(self) -> SliceSearch:
        """What the search of slices found."""
        return self.slice_search

    def list_unmet_requests(self) -> Sequence[Row]:
        """Requests that were not met."""
        return self.unmet

    def watch_classifiers(self) -> Sequence[Inputs]:
        """The night's classifiers."""
        return self.classifiers

    def sum_paid(self) -> Paid:
        """Returns what the answers cost."""
        return self.cost


def build(night: Night) -> dict[str, Any]:
    """The body of a night's report, as it would be at rest."""
    return report_of(night).to_json()


def report_of(night: Night) -> Report:
    """A night's report."""
    return build_report(night)
