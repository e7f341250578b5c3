"""The attributes by which traces are sliced, as SQL over the columns of a trace.

A slice's predicate is the text that a line of `slices.yaml` gets, so both have the same traces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evals.specs import Slice
from evals.storage.queries import quote_text

if TYPE_CHECKING:
    import duckdb

MOST = 20
"""Attributes beside the catalog's slices and keywords: built-in ones, then frequent keys."""
LEAST = 40
"""Traces that have a key of metadata or versions which is an attribute."""
LONGEST_KEY = 80
NO_WORD = r"[^\p{L}\p{M}\p{N}_]"
"""RE2's word boundary is ASCII only."""
KEYED = {"metadata": "metadata.", "versions": "versions."}
"""Columns of keys and values, and how their attributes are called."""
LENGTHS = ((0, 40), (41, 160), (161, 640), (641, 2560), (2561, None))
"""Characters, from and to."""
TURNS = ((1, 1), (2, 2), (3, 5), (6, None))


@dataclass(frozen=True)
class Attribute:
    """What traces are grouped by: an expression, each value of which is a slice."""

    name: str
    expression: str
    """SQL whose value is a text, null where the trace has none."""
    predicates: Mapping[str, str] = field(default_factory=dict[str, str])
    """By value, where the expression's equality with the value is not the plainest predicate."""
    catalog_slice: Slice | None = None
    """The slice of the catalog that it is."""

    def write_predicate(self, value: str) -> str:
        """Returns the SQL that holds for the traces with a value."""
        return self.predicates.get(value) or f"{self.expression} = {quote_text(value)}"


KEYWORD = "keyword"
"""The attribute of a word in the input."""
MEMBER = ""
"""The value of a slice that a trace is in or not."""


def make_ranges(name: str, measure: str, ranges: Sequence[tuple[int, int | None]]) -> Attribute:
    """Makes the attribute of a number in ranges."""
    predicates = dict[str, str]()
    for low, high in ranges:
        if high is None:
            predicates[f"{low:,} or more"] = f"{measure} >= {low}"
        elif low == high:
            predicates[str(low)] = f"{measure} = {low}"
        else:
            predicates[f"{low:,} to {high:,}"] = f"{measure} between {low} and {high}"
    cases = " ".join(f"when {sql} then {quote_text(value)}" for value, sql in predicates.items())
    return Attribute(name, f"case {cases} end", predicates)


BUILT_IN = (
    Attribute("model", "model"),
    Attribute("prompt_version", "prompt_version"),
    Attribute("prompt_name", "prompt_name"),
    Attribute("provider", "provider"),
    Attribute("source", "source_format"),
    Attribute("topic", "topic"),
    Attribute("language", "input_language"),
    Attribute("output language", "output_language"),
    Attribute("finish_reason", "finish_reason"),
    make_ranges("input length", "length(input)", LENGTHS),
    make_ranges("output length", "length(output)", LENGTHS),
    make_ranges("turn", "turn", TURNS),
)
"""Columns that every trace has. `turn` is its place in its session."""


def make_keyword(word: str) -> Attribute:
    """Makes the attribute of inputs with a word of letters and digits."""
    pattern = f"(^|{NO_WORD}){word}({NO_WORD}|$)"
    sql = f"regexp_matches(input, {quote_text(pattern)}, 'i')"
    return Attribute(KEYWORD, f"case when {sql} then {quote_text(word)} end", {word: sql})


def make_member(name: str, sql: str, own: Slice | None = None) -> Attribute:
    """Makes the attribute of the traces that a predicate holds for."""
    return Attribute(name, f"case when {sql} then '{MEMBER}' end", {MEMBER: sql}, own)


def list_catalog_attributes(slices: Sequence[Slice], app: str) -> list[Attribute]:
    """Returns the catalog's slices that cover an application, as attributes.

    Its own definition of a name takes precedence over one for every application.
    """
    own = {one.slice: one for one in sorted(slices, key=lambda one: bool(one.apps))
           if not one.apps or app in one.apps}  # fmt: skip
    made = list[Attribute]()
    for one in own.values():
        if one.by:
            made.append(Attribute(one.slice, cast_to_text(one.by), catalog_slice=one))
        elif one.where:
            made.append(make_member(one.slice, enclose(one.where), one))
        elif one.keyword:
            word = f"'(^|{NO_WORD})' || regexp_escape({quote_text(one.keyword)})"
            sql = f"regexp_matches(input, {word} || '({NO_WORD}|$)', 'i')"
            made.append(make_member(one.slice, sql, one))
    return made


def enclose(sql: str) -> str:
    """Encloses an expression of the catalog; a comment in it ends with its line."""
    return f"({sql}\n)" if "--" in sql else f"({sql})"


def cast_to_text(sql: str) -> str:
    """Returns the SQL of an expression's value as a text."""
    is_text = re.fullmatch(r"\w+|json_extract_string\([^()]*\)", sql)
    return sql if is_text else f"cast({enclose(sql)} as varchar)"


def extract_key(column: str, key: str) -> str:
    """Returns the SQL of a key's text in a column of JSON."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
        return f"json_extract_string({column}, '$.{key}')"
    pointer = "/" + key.replace("~", "~0").replace("/", "~1")
    return f"json_extract_string({column}, {quote_text(pointer)})"


def list_attributes(
    db: duckdb.DuckDBPyConnection, slices: Sequence[Slice], app: str
) -> list[Attribute]:
    """Lists the attributes of the table `traces`: the catalog's, built-in ones, and keys.

    An attribute of a name, or with an expression, that is there already is left out, and so is one
    that is alike in all traces. Of more than twenty beside the catalog's the rarer keys are left
    out, and so are keys of more than eighty characters.
    """
    made = list_catalog_attributes(slices, app)
    taken = {one.name for one in made} | {one.expression for one in made}
    new = [
        one
        for one in (*list_varying(db, BUILT_IN), *list_keys(db))
        if taken.isdisjoint((one.name, one.expression))
    ]
    return [*made, *new[:MOST]]


def list_varying(db: duckdb.DuckDBPyConnection, attributes: Sequence[Attribute]) -> list[Attribute]:
    """Lists the attributes in which not all traces are alike."""
    ends = ", ".join(
        f"min(coalesce({one.expression}, '')), max(coalesce({one.expression}, ''))"
        for one in attributes
    )
    found = db.execute(f"select {ends} from traces").fetchone() or ()  # noqa: S608  our names
    return [
        one
        for one, low, high in zip(attributes, found[::2], found[1::2], strict=True)
        if low != high
    ]


def list_keys(db: duckdb.DuckDBPyConnection) -> list[Attribute]:
    """Lists the keys of metadata and versions that enough traces have, the most frequent first."""
    found = list[tuple[int, str, str]]()
    for column in KEYED:
        rows = db.execute(
            "select key, count(*) as n from (select unnest(json_keys("  # noqa: S608  our columns
            f"case when json_valid({column}) and json_type({column}) = 'OBJECT' "
            f"then {column} end)) as key from traces) "
            f"where length(key) between 1 and {LONGEST_KEY} "
            f"group by key having n >= {LEAST} order by n desc, key limit {MOST}"
        ).fetchall()
        found += [(-n, column, key) for key, n in rows]
    return [
        Attribute(KEYED[column] + key, extract_key(column, key)) for _, column, key in sorted(found)
    ]
