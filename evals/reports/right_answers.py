"""The right answers of a trace: those of the catalog's gold sets, and those imported for it.

How an answer is compared with them is in `pages`; verdicts on them are the evaluators'.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence

from evals.evaluators import resolution
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.registry import Evaluator
from evals.privacy.row_filter import PrivacyFilter
from evals.records import GoldValue, Json, Trace, digest
from evals.specs import Catalog, CatalogError
from evals.specs.suites import PREVIOUS
from evals.storage.lake import Lake


class RightAnswers:
    """The right answers that a catalog has, each gold set read once."""

    def __init__(self, lake: Lake, catalog: Catalog) -> None:
        self.catalog = catalog
        self.references = GoldAndLabels.of(
            catalog.root, (), privacy=PrivacyFilter.load(lake, catalog)
        )
        self.list_evaluators = functools.cache(self.resolve)

    def resolve(self, app: str) -> Sequence[Evaluator]:
        """Lists the evaluators of an application that name a gold set; none of a broken one."""
        if app not in self.catalog.apps:
            return ()
        try:
            every = resolution.resolve_app(self.catalog, app)
        except CatalogError:
            return ()
        return [one for one in every if one.gold not in (None, "labels", PREVIOUS)]

    def find(self, trace: Trace, imported: Iterable[GoldValue] = ()) -> tuple[GoldValue, ...]:
        """Finds the right answers of a trace; one that several dimensions share has no name.

        Args:
            trace: the trace.
            imported: those that were imported for it, which come first.
        """
        by_name: dict[str, Json] = {value.dimension: value.value for value in imported}
        for evaluator in self.list_evaluators(trace.app):
            value = self.find_value(evaluator, trace)
            if value is not None:
                by_name.setdefault(evaluator.dimension, value)
        return tuple(join_equal(trace.trace_id, by_name))

    def find_value(self, evaluator: Evaluator, trace: Trace) -> Json:
        """Finds the right answer in an evaluator's gold set; None where that cannot be read."""
        try:
            return self.references.gold_for(evaluator, trace)
        except (CatalogError, OSError):  # its own evaluator reports what is wrong with it
            return None


def join_equal(trace_id: str, by_name: Mapping[str, Json]) -> Iterable[GoldValue]:
    """Yields each value once, with the dimension that alone has it."""
    names: dict[str, list[str]] = {}
    for name, value in by_name.items():
        names.setdefault(digest(value), []).append(name)
    for sharing in names.values():
        yield GoldValue(trace_id, sharing[0] if len(sharing) == 1 else "", by_name[sharing[0]])
