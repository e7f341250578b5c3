"""What a SQL answer reads and whether it only reads, found by parsing.

Runs no SQL, and knows nothing of verdicts.
"""

from __future__ import annotations

import functools
import logging
import re
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from sqlglot import exp

MAX_CHARS = 50_000
"""A longer answer is not read: the parser's time and stack grow with it."""

FENCE = re.compile(r"\A\s*```[\w+-]*[ \t]*\r?\n(?P<body>.*?)\r?\n?[ \t]*```\s*\Z", re.DOTALL)

CLASS = re.compile(r"for <class '[\w.]*?(\w+)'>")


class UnreadableSql(ValueError):
    """The text is not SQL in this dialect; the message says why, in one line."""


class Query(NamedTuple):
    """What one or more statements touch."""

    tables: tuple[str, ...]
    """Real tables, as `schema.table` where the text says so, lower case, sorted."""
    writes: tuple[str, ...]
    """Kinds of statement that are more than a read, such as `DROP`, sorted."""


@functools.cache
def parser() -> ModuleType:
    """The sqlglot module, imported when first needed."""
    with warnings.catch_warnings():
        # sqlglotrs, which other packages pull in, warns whoever imports sqlglot beside it.
        warnings.filterwarnings("ignore", "sqlglotrs", DeprecationWarning)
        import sqlglot

    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    return sqlglot


def unfenced(text: str) -> str:
    """The body of a text that is one Markdown code fence, or the text itself."""
    fence = FENCE.match(text)
    return fence["body"] if fence else text


def known_dialect(name: str) -> bool:
    """Whether the parser has a dialect of this name."""
    return parser().Dialects.__members__.get(name.upper()) is not None


def statements(sql: str, dialect: str | None) -> list[exp.Expr]:
    """The parsed statements of a text.

    Raises:
        UnreadableSql: where it is empty, too long, or not SQL.
    """
    sqlglot = parser()
    if len(sql) > MAX_CHARS:
        raise UnreadableSql(f"longer than {MAX_CHARS:,} characters")
    try:
        trees = [tree for tree in sqlglot.parse(sql, read=dialect) if tree is not None]
    except sqlglot.errors.ParseError as error:
        raise UnreadableSql(where_it_broke(error.errors)) from error
    except sqlglot.errors.SqlglotError as error:
        raise UnreadableSql("no SQL tokens") from error
    except RecursionError as error:
        raise UnreadableSql("nested too deep") from error
    if not trees:
        raise UnreadableSql("no statement")
    for tree in trees:
        if not isinstance(tree, (sqlglot.exp.Query, *writing())):
            raise UnreadableSql("not a SQL statement")
    return trees


def where_it_broke(errors: list[dict[str, Any]]) -> str:
    """The parser's first complaint and its place, in plain words."""
    if not errors:
        return "no SQL"
    first = errors[0]
    said = CLASS.sub(r"in \1", first.get("description") or "no SQL")
    return f"{said} (line {first.get('line')}, column {first.get('col')})"


@functools.cache
def writing() -> tuple[type[exp.Expr], ...]:
    """The expressions that are more than a read."""
    names = ("Insert", "Update", "Delete", "Merge", "Create", "Drop", "Alter", "TruncateTable")
    names += ("Command", "Into", "Copy", "Grant", "Set", "Transaction", "Use", "Pragma")
    return tuple(getattr(parser().exp, name) for name in names)


def read(sql: str, dialect: str | None = None) -> Query:
    """The tables a SQL text reads and the writes it holds.

    Raises:
        UnreadableSql: where the text is not SQL.
    """
    tables: set[str] = set()
    writes: set[str] = set()
    try:
        for tree in statements(sql, dialect):
            tables.update(tables_of(tree))
            writes.update(node.key.upper() for node in tree.find_all(*writing()))
    except RecursionError as error:
        raise UnreadableSql("nested too deep") from error
    return Query(tuple(sorted(tables)), tuple(sorted(writes)))


def tables_of(tree: exp.Expr) -> Iterator[str]:
    """Names of the real tables under a statement; names a `WITH` defines are not tables."""
    for table in tree.find_all(parser().exp.Table):
        if table.name and not is_target(table) and (table.db or not names_cte(table)):
            yield ".".join(part.name for part in table.parts).lower()


def is_target(table: exp.Table) -> bool:
    """Whether a table is only made, filled or dropped."""
    exp = parser().exp
    parent = table.parent
    node = parent if parent is not None and isinstance(parent, exp.Schema) else table
    makers = (exp.Insert, exp.Create, exp.Into, exp.Drop, exp.TruncateTable)
    return isinstance(node.parent, makers) and node.arg_key in ("this", "expressions")


def names_cte(table: exp.Table) -> bool:
    """Whether a table's name is one that a `WITH` in scope defines."""
    name = table.name.lower()
    below: list[exp.Expr] = [table]
    node = table.parent
    while node is not None:
        clause = node.args.get("with_")
        if clause is not None:
            ctes = clause.expressions
            inside = next((i for i, cte in enumerate(ctes) if any(cte is b for b in below)), None)
            seen = ctes if inside is None else ctes[: inside + bool(clause.args.get("recursive"))]
            if any(cte.alias.lower() == name for cte in seen):
                return True
        below.append(node)
        node = node.parent
    return False


def same_query(first: str, second: str, dialect: str | None = None) -> bool:
    """Whether two texts parse to the same statements, spelling of names and spaces apart.

    Raises:
        UnreadableSql: where either is not SQL.
    """
    return shape(first, dialect) == shape(second, dialect)


def shape(sql: str, dialect: str | None) -> list[str]:
    """Each statement in one spelling: unquoted lower-case names, no comments."""
    exp = parser().exp
    shapes = []
    for tree in statements(sql, dialect):
        for name in tree.find_all(exp.Identifier):
            name.set("this", str(name.this).lower())
            name.set("quoted", False)
        shapes.append(tree.sql(dialect=dialect, comments=False, normalize_functions="upper"))
    return shapes
