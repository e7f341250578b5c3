"""Parses SQL answers: which tables and columns a query reads, and whether it only reads.

Runs no SQL, and makes no verdicts.
"""

from __future__ import annotations

import functools
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope

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
    statements: int


@functools.cache
def load_sqlglot() -> ModuleType:
    """Imports sqlglot when it is first needed."""
    with warnings.catch_warnings():
        # sqlglotrs, which other packages pull in, warns whoever imports sqlglot beside it.
        warnings.filterwarnings("ignore", "sqlglotrs", DeprecationWarning)
        import sqlglot

    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    return sqlglot


def strip_fence(text: str) -> str:
    """Returns the body of a text that is one Markdown code fence, else the text itself."""
    fence = FENCE.match(text)
    return fence["body"] if fence else text


def has_dialect(name: str) -> bool:
    """Whether the parser has a dialect of this name."""
    return load_sqlglot().Dialects.__members__.get(name.upper()) is not None


def parse_statements(sql: str, dialect: str | None) -> list[exp.Expr]:
    """Parses the statements of a text.

    Raises:
        UnreadableSql: where it is empty, too long, or not SQL.
    """
    sqlglot = load_sqlglot()
    if len(sql) > MAX_CHARS:
        raise UnreadableSql(f"longer than {MAX_CHARS:,} characters")
    try:
        trees = [tree for tree in sqlglot.parse(sql, read=dialect) if tree is not None]
    except sqlglot.errors.ParseError as error:
        raise UnreadableSql(describe_error(error.errors)) from error
    except sqlglot.errors.SqlglotError as error:
        raise UnreadableSql("no SQL tokens") from error
    except RecursionError as error:
        raise UnreadableSql("nested too deep") from error
    if not trees:
        raise UnreadableSql("no statement")
    for tree in trees:
        if not isinstance(tree, (sqlglot.exp.Query, *write_expressions())):
            raise UnreadableSql("not a SQL statement")
    return trees


def describe_error(errors: list[dict[str, object]]) -> str:
    """Returns the parser's first error with its line and column."""
    if not errors:
        return "no SQL"
    first = errors[0]
    description = CLASS.sub(r"in \1", str(first.get("description") or "no SQL"))
    return f"{description} (line {first.get('line')}, column {first.get('col')})"


@functools.cache
def write_expressions() -> tuple[type[exp.Expr], ...]:
    """Returns the expression types that do more than read."""
    names = ("Insert", "Update", "Delete", "Merge", "Create", "Drop", "Alter", "TruncateTable")
    names += ("Command", "Into", "Copy", "Grant", "Set", "Transaction", "Use", "Pragma")
    return tuple(getattr(load_sqlglot().exp, name) for name in names)


def read_query(sql: str, dialect: str | None = None) -> Query:
    """Parses a SQL text to the tables it reads and the writes it contains.

    Raises:
        UnreadableSql: where the text is not SQL.
    """
    tables: set[str] = set()
    writes: set[str] = set()
    try:
        trees = parse_statements(sql, dialect)
        for tree in trees:
            tables.update(tables_of(tree))
            writes.update(node.key.upper() for node in tree.find_all(*write_expressions()))
    except RecursionError as error:
        raise UnreadableSql("nested too deep") from error
    return Query(tuple(sorted(tables)), tuple(sorted(writes)), len(trees))


def tables_of(tree: exp.Expr) -> Iterator[str]:
    """Yields the names of a statement's real tables; names a `WITH` defines are not tables."""
    for table in tree.find_all(load_sqlglot().exp.Table):
        if table.name and not is_target(table) and (table.db or not names_cte(table)):
            yield ".".join(part.name for part in table.parts).lower()


def is_target(table: exp.Table) -> bool:
    """Whether a table is only created, filled or dropped."""
    exp = load_sqlglot().exp
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


def is_same_query(first: str, second: str, dialect: str | None = None) -> bool:
    """Whether two texts parse to the same statements, up to spaces, quotes and case of names.

    Raises:
        UnreadableSql: where either is not SQL.
    """
    return normalize_query(first, dialect) == normalize_query(second, dialect)


def normalize_query(sql: str, dialect: str | None) -> list[str]:
    """Rewrites each statement with unquoted lower-case names and without comments."""
    exp = load_sqlglot().exp
    normalized: list[str] = []
    for tree in parse_statements(sql, dialect):
        for name in tree.find_all(exp.Identifier):
            name.set("this", str(name.this).lower())
            name.set("quoted", False)
        normalized.append(tree.sql(dialect=dialect, comments=False, normalize_functions="upper"))
    return normalized


class Columns(NamedTuple):
    """The columns of real tables that a query reads, lower case."""

    names: frozenset[str]
    """`table.column`, or `column` alone where the text does not show the table."""
    starred: frozenset[str]
    """Tables of which every column is read; `*`: of tables that the text does not show."""

    def has(self, wanted: str) -> bool:
        """Whether a column is read; without a table's name it may be any table's."""
        table, _, column = wanted.rpartition(".")
        if not table:
            return bool(self.starred) or any(one.rpartition(".")[2] == column for one in self.names)
        tables = {one.rpartition(".")[0] for one in self.names if one.endswith(f".{column}")}
        tables |= self.starred
        return any(one == table or one.endswith(f".{table}") for one in tables) or (
            column in self.names or "*" in self.starred
        )


def read_columns(sql: str, dialect: str | None = None) -> Columns:
    """Parses a SQL text to the columns that it reads of real tables.

    Raises:
        UnreadableSql: where the text is not SQL, or its tables cannot be resolved.
    """
    load_sqlglot()
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.scope import traverse_scope

    names: set[str] = set()
    starred: set[str] = set()
    try:
        for tree in parse_statements(sql, dialect):
            for scope in traverse_scope(tree):
                add_columns(scope, names, starred)
    except RecursionError as error:
        raise UnreadableSql("nested too deep") from error
    except SqlglotError as error:
        raise UnreadableSql(str(error)) from error
    return Columns(frozenset(names), frozenset(starred))


def add_columns(scope: Scope, names: set[str], starred: set[str]) -> None:
    """Adds the columns that one SELECT reads of real tables."""
    exp = load_sqlglot().exp
    sources = cast("Mapping[str, exp.Expr]", scope.sources)
    tables = {
        alias: ".".join(part.name for part in cast("exp.Table", source).parts).lower()
        for alias, source in sources.items()
        if isinstance(source, exp.Table)
    }
    single = next(iter(tables.values())) if len(sources) == 1 and tables else None
    select = cast("exp.Select", scope.expression)
    selects = list(select.selects) if isinstance(select, exp.Select) else []
    for star in scope.stars if selects else ():
        starred |= name_tables(star.text("table"), tables)
    if any(isinstance(item, exp.Star) for item in selects):
        starred.update(tables.values())
    aliases = {item.alias.lower() for item in selects if item.alias}
    for column in scope.columns:
        if column.table in tables:
            names.add(f"{tables[column.table]}.{column.name.lower()}")
        elif not column.table and tables and not names_alias(column, aliases):
            name = column.name.lower()
            names.add(f"{single}.{name}" if single else name)


def names_alias(column: exp.Column, aliases: set[str]) -> bool:
    """Whether a column is a star, or an expression of the same SELECT by its alias."""
    exp = load_sqlglot().exp
    later = column.find_ancestor(exp.Order, exp.Group, exp.Having, exp.Qualify)
    return column.name == "*" or (column.name.lower() in aliases and later is not None)


def name_tables(alias: str, tables: Mapping[str, str]) -> set[str]:
    """Returns the real tables that a star means."""
    return {tables[alias]} if alias in tables else set()
