"""The data that the rows of a report are decided from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from evals.reports.decide.anchors import Anchored, Bridges
from evals.reports.decide.blessed import Blessed
from evals.reports.decide.coverage import find_needed
from evals.reports.decide.judge_labels import pool_labels
from evals.reports.decide.rates import is_aligned
from evals.reports.decide.rows import Canary, Covered, Identity, Labelled, Rate, StratumCount
from evals.specs import App, Attacks, Dimension, Evaluator, Gate


@dataclass(frozen=True, slots=True)
class Evidence:
    """The data that the rows of a report are decided from."""

    date: date
    app: App
    rates: Sequence[Rate]
    """Of this night."""
    history: Sequence[Rate]
    """Of the nights in the baseline window."""
    dimensions: Mapping[str, Dimension]
    """In the suite's order, which is the report's."""
    evaluators: Sequence[Evaluator]
    agreement: Sequence[Labelled]
    """Every row counts, whatever its night."""
    coverage: Sequence[Covered]
    """Of this night."""
    canaries: Sequence[Canary]
    attacks: Attacks
    coverage_before: Sequence[Covered] = ()
    """Of the nights in the baseline window."""
    blessed: Blessed | None = None
    """The report that a person named as the baseline."""
    strata: Sequence[StratumCount] = ()
    """Of this night and of the nights in the baseline window."""
    bridges: Bridges = field(default_factory=dict[Identity, Anchored])
    """What anchors show of judges that have another version than before."""

    def find_gate(self, row: Rate) -> Gate:
        """Finds the gate of a row: its slice's margins, its dimension's, or the application's."""
        dimension, gate = self.dimensions.get(row.dimension), self.app.gate
        own = dimension.slices.get(row.slice) if dimension else None
        drop = (own and own.max_drop) or (dimension and dimension.max_drop)
        least = (own and own.min_answers) or (dimension and dimension.min_answers)
        margins = {"max_drop": drop, "min_answers": least}
        return gate.model_copy(update={name: value for name, value in margins.items() if value})

    def has_series(self, row: Rate) -> bool:
        """Whether the nights of a row are compared: of all traces, or of a slice that decides."""
        dimension = self.dimensions.get(row.dimension)
        return row.slice == "all" or (dimension is not None and row.slice in dimension.slices)

    def find_gates(self, rows: Iterable[Rate]) -> dict[Rate, Gate]:
        """Finds the gate of each row, its margin on the scale of its evaluator.

        A true drop is a smaller one of a judge's rate: by TPR + TNR - 1 of its labels.
        """
        labels, gates = pool_labels(self.agreement), dict[Rate, Gate]()
        for row in rows:
            own, gate = labels.get(row.identity), self.find_gate(row)
            if own and own.scale < 1 and is_aligned(row, own):
                gate = gate.model_copy(update={"max_drop": gate.max_drop * own.scale})
            gates[row] = gate
        return gates

    def find_needed(self, row: Rate) -> float:
        """Finds the share of answers that has to be judged for a row to be measured."""
        return find_needed(row, self.dimensions.get(row.dimension), self.app.gate)

    def list_past_wholes(self) -> list[Rate]:
        """Returns the earlier nights' rates over all traces."""
        return [
            row
            for row in self.history
            if row.slice == "all" and row.date is not None and row.date < self.date
        ]

    def count_pending(self) -> dict[tuple[date | None, Identity], int]:
        """Counts the answers that nights await from batches, by night and evaluator."""
        tonight = {(self.date, row.identity): row.pending for row in self.coverage}
        return {(row.date, row.identity): row.pending for row in self.coverage_before} | tonight
