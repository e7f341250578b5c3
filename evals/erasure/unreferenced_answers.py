"""Paid answers that no score refers to: of what the ledger has, nobody can tell whose they are.

A pair was paired anew, an answer was replaced, a session went on, a candidate was tried: the answer
to the earlier content stays, and may quote a trace that is forgotten.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator
from datetime import date

from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.protocol import content_of
from evals.evaluators.resolution import resolve_app
from evals.records import Json, Trace
from evals.specs import Catalog, CatalogError
from evals.specs.cases import list_case_files, load_cases
from evals.storage.label_records import read_gold_values, read_labels
from evals.storage.lake import Lake
from evals.storage.ledger import find_first_key
from evals.storage.queries import query_tables, quote_text
from evals.storage.record_tables import build_records
from evals.worklist.night_contents import hash_content


def find_unreferenced(lake: Lake, catalog: Catalog, own: Collection[Trace]) -> set[str]:
    """Finds the keys of paid answers that may be about some traces, though no score names them.

    They are of the traces' applications, of their first night or later, and no score, canary or
    anchor has their content, no regression case, and no labelled trace of somebody else.
    """
    since: dict[str, date] = {}
    for trace in own:
        night = trace.ts.date()
        since[trace.app] = min(since.get(trace.app, night), night)
    paid = set(list_paid(lake, since))
    if not paid:
        return set()
    used = set(list_referenced(lake))
    gone = {trace.trace_id for trace in own}
    unused = {key for key in paid if find_first_key(key) not in used}
    others = set(list_usable(lake, catalog, since, gone)) if unused else set[str]()
    return {key for key in unused if find_first_key(key) not in others}


def list_paid(lake: Lake, since: dict[str, date]) -> Iterator[str]:
    """Yields the keys of the answers that applications paid for since a night of each."""
    for app, night in since.items():
        sql = (
            "select content_key from answers where text is not null"  # noqa: S608  quoted
            f" and app = {quote_text(app)} and date >= '{night}'"
        )
        for row in query_tables(lake, sql, {"answers": None}):
            yield row["content_key"]


def list_referenced(lake: Lake) -> Iterator[str]:
    """Yields the contents that a score, a canary or an anchor is of."""
    tables = {"scores": ("content_key",), "canaries": ("clean_key", "attacked_key")}
    for table, columns in {**tables, "anchors": ("content_key",)}.items():
        for column in columns:
            sql = f"select distinct {column} as key from {table} where {column} is not null"  # noqa: S608  our own names
            for row in query_tables(lake, sql, {table: None}):
                yield find_first_key(row["key"])


def list_usable(
    lake: Lake, catalog: Catalog, apps: Iterable[str], gone: Collection[str]
) -> Iterator[str]:
    """Yields the contents of cases and labelled traces of others, which a gate or a trial reads."""
    references = GoldAndLabels.of(catalog.root, [], read_gold_values(lake))
    for app in (one for one in apps if one in catalog.apps and one not in catalog.broken):
        judges = [
            one
            for one in resolve_app(catalog, app)
            if one.asks_model and one.subject == "trace" and not one.compares
        ]
        for trace, gold in list_cases(catalog, app, gone):
            yield from (hash_content(content_of(one, trace, gold)) for one in judges)
        for trace in read_labelled(lake, app, gone) if judges else ():
            for one in judges:
                with contextlib.suppress(CatalogError):  # a broken gold set
                    gold = references.gold_for(one, trace)
                    yield hash_content(content_of(one, trace, gold))


def list_cases(catalog: Catalog, app: str, gone: Collection[str]) -> Iterator[tuple[Trace, Json]]:
    """Yields the cases and examples of an application that stay, with their gold."""
    for path in list_case_files(catalog.root):
        with contextlib.suppress(CatalogError):  # a broken file: the gate names it
            for case in load_cases(path):
                if case.app == app and case.origin.trace_id not in gone:
                    yield case.build_trace(), case.gold


def read_labelled(lake: Lake, app: str, gone: Collection[str]) -> list[Trace]:
    """Reads the labelled traces of an application that stay."""
    labelled = {one.subject_id for one in read_labels(lake) if one.subject == "trace"} - set(gone)
    if not labelled:
        return []
    listed = ", ".join(map(quote_text, sorted(labelled)))
    sql = f"select * from traces where app = {quote_text(app)} and trace_id in ({listed})"  # noqa: S608  quoted
    return list(build_records(Trace, query_tables(lake, sql, {"traces": None})))
