"""The slices that a night's search proposes, each with all that a report shows of it.

Reads the lake. Which are confirmed is decided in `reports`, over all evaluators of the night.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evals.slices import words
from evals.slices.attributes import Attribute, list_attributes, make_keyword
from evals.slices.catalog_lines import write_line
from evals.slices.search import Bools, Proposal, Rows, propose_slices, read_table
from evals.slices.traces_table import (
    Scored,
    fill_attributes,
    fill_rows,
    fill_verdicts,
    open_traces,
    select_nights,
)
from evals.specs import Catalog
from evals.statistics import Proportion
from evals.statistics.subgroups import find_effective_size, measure_clusters
from evals.storage.lake import Lake
from evals.storage.queries import open_duckdb

if TYPE_CHECKING:
    import duckdb

WINDOW = 28
"""Nights that are read at most."""
TREND = 14
EXAMPLES = 3
SHOWN = 600
"""Characters of an example's texts."""
TEXTS = ("input", "context", "output")
PLAIN = ("model", "prompt_version", "session_id", "source_file", "source_line", "status")
"""Columns of an example."""


class Term(NamedTuple):
    """One attribute of a slice, its value, and the SQL of the traces that have it."""

    attribute: str
    value: str
    """Empty where traces are in the slice or not."""
    predicate: str

    @property
    def name(self) -> str:
        """The term as part of a slice's name."""
        return f"{self.attribute}={self.value}" if self.value else self.attribute


class NightCount(NamedTuple):
    """A night's rows of a slice with a verdict, of the half that tests."""

    night: date
    n: int
    passed: int


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A slice that one half of the sessions proposes, measured in the other half."""

    scored: Scored
    terms: tuple[Term, ...]
    p: float
    part: Proportion
    rest: Proportion
    """The other rows."""
    parent: str
    """The larger slice that it is compared with; `all` is the whole."""
    around: Proportion
    """The rows of the parent."""
    size: int
    """Rows of both halves."""
    share: float
    """Of all rows."""
    is_weighted: bool
    line: str
    """What keeps it in `slices.yaml`; empty where it is there already."""
    kept_as: str = ""
    """Its name in `slices.yaml`."""
    keywords: tuple[str, ...] = ()
    nights: tuple[NightCount, ...] = ()
    examples: tuple[dict[str, object], ...] = ()


class SliceSearch(NamedTuple):
    """A night's search."""

    findings: tuple[Finding, ...] = ()
    nights: tuple[date, ...] = ()
    """The nights that were read, oldest first."""
    confirmed_before: int = 0
    """Slices that the reports of the nights before confirmed."""


def search_slices(
    lake: Lake, catalog: Catalog, app: str, night: date, scored: Sequence[Scored]
) -> SliceSearch:
    """Searches the slices of a night, with as many nights before as are needed for evidence."""
    if not scored:
        return SliceSearch()
    days = [night - timedelta(days=back) for back in range(WINDOW)]
    with open_duckdb() as db:
        nights = select_nights(db, lake, app, days)
        if not nights or not open_traces(db, lake, app, nights):
            return SliceSearch()
        fill_verdicts(db, scored)
        fill_rows(db)
        attributes = list_attributes(db, catalog.slices, app)
        words.count_words(db)
        attributes += [make_keyword(word) for word in words.find_keywords(db, len(scored))]
        fill_attributes(db, attributes)
        findings = find_all(db, catalog, app, attributes, scored)
        if findings and len(nights) < TREND:
            findings = add_nights(db, lake, app, days[:TREND], scored, findings)
    return SliceSearch(tuple(findings), tuple(nights))


def find_all(
    db: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    app: str,
    attributes: Sequence[Attribute],
    scored: Sequence[Scored],
) -> list[Finding]:
    """Returns the slices of every evaluator, those of `attributed`."""
    table = read_table(db, len(attributes), len(scored))
    findings = list[Finding]()
    for k, (one, rows, groups) in enumerate(zip(scored, table.rows, table.groups, strict=True)):
        for proposal in propose_slices(rows, groups):
            terms = tuple(
                make_term(attributes[at], table.values[at][value - 1])
                for at, value in proposal.group
            )
            kept_as = find_name([attributes[member.attribute] for member in proposal.group], terms)
            names = [f"{term.attribute} {term.value}" for term in terms]
            predicate = join_predicates(terms)
            line = "" if kept_as else write_line(names, predicate, catalog.slices, app)
            finding = measure_slice(one, rows, proposal, terms, line)
            findings.append(describe_slice(db, k, finding, kept_as))
    return findings


def make_term(attribute: Attribute, value: str) -> Term:
    """Returns an attribute and its value as a term of a slice."""
    return Term(attribute.name, value, attribute.write_predicate(value))


def find_name(attributes: Sequence[Attribute], terms: Sequence[Term]) -> str:
    """Finds the name of a slice that the catalog has; empty where it has none."""
    own = attributes[0].catalog_slice if len(attributes) == 1 else None
    if own is None:
        return ""
    return f"{own.slice}={terms[0].value}" if own.by else own.slice


def measure_slice(
    scored: Scored, rows: Rows, proposal: Proposal, terms: tuple[Term, ...], line: str
) -> Finding:
    """Measures a slice, the rest and its parent in the half that tests."""
    held = rows.select_rows(rows.is_held_out)
    inside = held.select_group(proposal.group)
    every = np.ones(len(inside), dtype=np.bool_)
    parents = [(term.name, held.select_group((member,)))
               for term, member in zip(terms, proposal.group, strict=True)]  # fmt: skip
    worst = max(parents, key=lambda one: held.compute_rate(one[1]))
    parent, around = worst if len(terms) > 1 else ("all", every)
    return Finding(
        scored=scored,
        terms=terms,
        p=proposal.p,
        part=count_rows(held, inside),
        rest=count_rows(held, ~inside),
        parent=parent,
        around=count_rows(held, around),
        size=int(rows.select_group(proposal.group).sum()),
        share=float(rows.select_group(proposal.group).mean()),
        is_weighted=rows.weights is not None,
        line=line,
    )


def count_rows(rows: Rows, inside: Bools) -> Proportion:
    """Returns the pass rate of some rows, with the size that their sessions and weights leave."""
    n = int(inside.sum())
    if not n:
        return Proportion(0, 0)
    size = find_effective_size(inside, rows.failed, measure_clusters(rows.failed, rows.sessions))
    if rows.weights is None:
        return Proportion(n - int(rows.failed[inside].sum()), n, size)
    own = rows.weights[inside]
    size = min(size, float(own.sum()) ** 2 / float((own**2).sum()))
    return Proportion((1 - rows.compute_rate(inside)) * n, n, size)


def join_predicates(terms: Sequence[Term]) -> str:
    """Returns the SQL that holds for the traces of a slice, as its line in the catalog has it."""
    return " and ".join(term.predicate for term in terms)


def describe_slice(
    db: duckdb.DuckDBPyConnection, k: int, finding: Finding, kept_as: str
) -> Finding:
    """Adds the words that mark a slice, its nights, and failing answers to read."""
    predicate = join_predicates(finding.terms)
    own = {term.value for term in finding.terms}
    marks = [word for word in words.find_marks(db, predicate) if word not in own]
    return replace(
        finding,
        kept_as=kept_as,
        keywords=tuple(marks),
        nights=count_nights(db, k, predicate),
        examples=read_examples(db, k, finding.scored, predicate),
    )


def count_nights(db: duckdb.DuckDBPyConnection, k: int, predicate: str) -> tuple[NightCount, ...]:
    """Counts the verdicts of a slice by night, in the half that tests."""
    rows = db.execute(
        f"select date, count(*), count(*) filter (f{k} = 0) from rows "  # noqa: S608  our SQL and the catalog's
        f"where is_held_out and f{k} is not null and try({predicate}) group by date order by date"
    ).fetchall()
    return tuple(NightCount(*row) for row in rows[-TREND:])


def add_nights(
    db: duckdb.DuckDBPyConnection,
    lake: Lake,
    app: str,
    days: Sequence[date],
    scored: Sequence[Scored],
    findings: Sequence[Finding],
) -> list[Finding]:
    """Counts the slices on more nights than were searched."""
    if not open_traces(db, lake, app, days):
        return list(findings)
    fill_verdicts(db, scored)
    fill_rows(db)
    return [
        replace(one, nights=count_nights(db, scored.index(one.scored), join_predicates(one.terms)))
        for one in findings
    ]


def read_examples(
    db: duckdb.DuckDBPyConnection, k: int, scored: Scored, predicate: str
) -> tuple[dict[str, object], ...]:
    """Reads failing answers of a slice, the newest night's first."""
    texts = ", ".join(f"left({name}, {SHOWN})" for name in TEXTS)
    plain = ", ".join(PLAIN)
    found = db.execute(
        f"select date, trace_id, strftime(ts, '%Y-%m-%dT%H:%M:%S+00:00'), {texts}, {plain} "  # noqa: S608  our SQL and the catalog's
        f"from rows where f{k} = 1 and try({predicate}) "
        f"order by date desc, md5(trace_id) limit {EXAMPLES}"
    ).fetchall()
    return tuple(
        {
            **dict(zip(("trace_id", "ts", *TEXTS, *PLAIN), row[1:], strict=True)),
            "dimension": scored.dimension,
            "evaluator": scored.evaluator,
            "verdict": "fail",
            "explanation": read_explanation(db, scored, row[0], row[1]),
            "steps": (),
        }
        for row in found
    )


def read_explanation(
    db: duckdb.DuckDBPyConnection, scored: Scored, night: date, trace_id: str
) -> str:
    """Reads an evaluator's words on a failing answer."""
    found = db.execute(
        f"select left(explanation, {SHOWN}) from scores where date = $1 and trace_id = $2 "  # noqa: S608  a number
        "and dimension = $3 and evaluator = $4 and evaluator_version = $5 and verdict = 'fail'",
        [night, trace_id, *scored],
    ).fetchone()
    return str(found[0] or "") if found else ""
