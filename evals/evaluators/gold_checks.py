"""Finds rows of gold sets that no trace can be compared with, and sets that are one-sided.

How a row is found for a trace is in `gold_sets`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from evals.evaluators import resolution
from evals.evaluators.checks.abstention import abstention, read_answerable
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.gold_sets import locate_rows
from evals.privacy.row_filter import PrivacyFilter
from evals.records import Json
from evals.specs import Catalog, CatalogError
from evals.storage.lake import Lake

RAREST = 1 / 3
"""The share of the rarer sort of questions from which an abstention set is balanced."""
SHOWN = 5
"""Groups of rows of a gold set that are named; the others are counted."""


def describe_gold(lake: Lake, catalog: Catalog) -> Iterator[str]:
    """Describes gold sets with ambiguous rows, and abstention sets of one sort of questions.

    Ambiguous are rows whose inputs become one by redaction while their gold differs.
    """
    references = GoldAndLabels.of(catalog.root, [], [], PrivacyFilter.load(lake, catalog))
    checked: set[tuple[str, str]] = set()
    for app in catalog.apps:
        try:
            evaluators = resolution.resolve_app(catalog, app)
        except CatalogError:  # named by the checks of the catalog
            continue
        for evaluator in evaluators:
            name, gold_set = evaluator.gold or "", references.load_gold_set(evaluator)
            if gold_set and (app, name) not in checked:
                checked.add((app, name))
                groups = gold_set.list_ambiguous()
                yield from describe_groups(references, app, name, groups)
                if evaluator.check == abstention.name:
                    yield from describe_balance(name, [row.gold for row in gold_set.rows])


def describe_balance(name: str, values: Sequence[Json]) -> Iterator[str]:
    """Describes an abstention set in which one sort of questions is rare."""
    sorts = Counter(map(read_answerable, values))
    answerable, unanswerable = sorts[True], sorts[False]
    if min(answerable, unanswerable) < RAREST * (answerable + unanswerable):
        never = "abstains" if answerable > unanswerable else "answers"
        yield (
            f"gold/{name}: {answerable:,} questions are answerable and {unanswerable:,} are not; "
            f"an application that never {never} passes most of them, so add questions of the "
            "rarer sort until there are as many"
        )


def describe_groups(
    references: GoldAndLabels, app: str, name: str, groups: list[list[str]]
) -> Iterator[str]:
    """Describes groups of rows, of many the first ones."""
    places = locate_rows(references.gold_folder, name) if groups else {}
    for group in groups[:SHOWN]:
        named = ", ".join(f"gold/{places.get(written, name)}" for written in group[:SHOWN])
        more = f" and {len(group) - SHOWN:,} more" if len(group) > SHOWN else ""
        yield (
            f"{named}{more}: the inputs are one once {app} is redacted, and their `gold` differs, "
            "so none is used; let them differ in more than what is redacted"
        )
    if len(groups) > SHOWN:
        rows = sum(map(len, groups[SHOWN:]))
        yield f"gold/{name}: {rows:,} further rows are alike so once {app} is redacted"
