"""Checks of answers that are SQL: what a query reads, writes and returns.

Queries are parsed in `evals.evaluators.sql`, and run in a process of `evals.evaluators.sql_runs`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pydantic import Field, model_validator

from evals.evaluators import sql, sql_runs
from evals.evaluators.code_checks import (
    NO_GOLD,
    CodeCheck,
    Examples,
    Result,
    SqlParams,
    check,
    quoted,
)
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.protocol import Configuration, Declaration, Evaluate, WrongDeclaration
from evals.evaluators.sql import UnreadableSql
from evals.records import Failure, Json, Outcome, Trace, digest
from evals.specs import Evaluator


class SqlReadsTables(SqlParams):
    """Params of `sql_reads_tables`."""

    tables: tuple[str, ...] = Field(default=(), description="empty: gold names them")
    only: bool = Field(default=False, description="refuse a query that reads other tables too")
    read_only: bool = Field(default=True, description="refuse anything that is more than a read")


@check(
    "sql_reads_tables",
    behaviour=1,
    params=SqlReadsTables,
    examples=Examples(
        params={"tables": ["orders"], "only": True},
        passes={"output": "SELECT sum(total) FROM orders"},
        fails={"output": "SELECT sum(total) FROM orders JOIN users USING (user_id)"},
    ),
)
def sql_reads_tables(trace: Trace, params: SqlReadsTables, gold: Json) -> Result:
    """The SQL reads the expected tables; names a `WITH` defines are not tables."""
    wanted = [name.lower() for name in params.tables or read_table_names(gold)]
    if not wanted:
        return NO_GOLD
    try:
        query = sql.read_query(params.sql_in(trace.output), params.dialect)
    except UnreadableSql as error:
        return Outcome(False, explanation=f"not readable SQL: {quoted(str(error), 200)}")
    if params.read_only and query.writes:
        return Outcome(False, explanation=f"not a mere read: {', '.join(query.writes)}")
    absent = [w for w in wanted if not any(is_table(t, w) for t in query.tables)]
    extra = [t for t in query.tables if not any(is_table(t, w) for w in wanted)]
    if not absent and not (extra and params.only):
        return Outcome(True)
    read = quoted(", ".join(query.tables) or "no table", 200)
    return Outcome(False, explanation=f"reads {read}; expected {', '.join(wanted)}")


def read_table_names(gold: Json) -> list[str]:
    """Returns the tables a gold value names: a name, a list of names, or {"tables": …}."""
    return read_names(gold.get("tables") if isinstance(gold, dict) else gold)


def read_names(value: Json) -> list[str]:
    """Returns the names in a gold value: one, or a list."""
    if isinstance(value, str):
        return [value]
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def is_table(name: str, wanted: str) -> bool:
    """Whether a table is the wanted one; a name without a schema matches any schema."""
    return name == wanted or name.endswith(f".{wanted}")


class SqlReadsColumns(SqlParams):
    """Params of `sql_reads_columns`."""

    columns: tuple[str, ...] = Field(
        default=(), description="as `column` or `table.column`; empty: gold names them"
    )
    only: bool = Field(default=False, description="refuse a query that reads other columns too")


@check(
    "sql_reads_columns",
    behaviour=1,
    params=SqlReadsColumns,
    examples=Examples(
        params={"columns": ["orders.total", "orders.region"]},
        passes={"output": "SELECT region, sum(total) FROM orders GROUP BY region"},
        fails={"output": "SELECT region, count(*) FROM orders GROUP BY region"},
    ),
)
def sql_reads_columns(trace: Trace, params: SqlReadsColumns, gold: Json) -> Result:
    """The SQL reads the expected columns of real tables; value is the share of them.

    `*` reads every column of its tables. A column without its table, in a query over several, may
    be any table's. Gold is a list of columns, or {"columns": …}.
    """
    named = gold.get("columns") if isinstance(gold, dict) else gold
    wanted = [name.lower() for name in params.columns or read_names(named)]
    if not wanted:
        return NO_GOLD
    try:
        read = sql.read_columns(params.sql_in(trace.output), params.dialect)
    except UnreadableSql as error:
        return Outcome(False, explanation=f"not readable SQL: {quoted(str(error), 200)}")
    absent = [name for name in wanted if not read.has(name)]
    share = 1 - len(absent) / len(wanted)
    if absent:
        return Outcome(False, share, quoted(f"does not read {', '.join(absent)}", 300))
    extra = [f"{table}.*" for table in sorted(read.starred)]
    extra += [name for name in sorted(read.names) if not any(is_table(name, w) for w in wanted)]
    words = quoted(f"reads {', '.join(extra)} too", 300) if extra and params.only else ""
    return Outcome(not words, share, words)


class SqlOnlyReads(SqlParams):
    """Params of `sql_only_reads`."""

    many: bool = Field(default=False, description="accept more than one statement")


@check(
    "sql_only_reads",
    behaviour=1,
    params=SqlOnlyReads,
    examples=Examples(
        passes={"output": "SELECT name FROM users"},
        fails={"output": "SELECT name FROM users; DROP TABLE users"},
    ),
)
def sql_only_reads(trace: Trace, params: SqlOnlyReads, gold: Json) -> Result:
    """The SQL is one query that writes nothing: no table, no row, no setting, no file."""
    try:
        query = sql.read_query(params.sql_in(trace.output), params.dialect)
    except UnreadableSql as error:
        return Outcome(False, explanation=f"not readable SQL: {quoted(str(error), 200)}")
    if query.writes:
        return Outcome(False, explanation=f"not a mere read: {', '.join(query.writes)}")
    several = query.statements > 1 and not params.many
    return Outcome(not several, explanation=f"{query.statements} statements" if several else "")


class SqlEquals(SqlParams):
    """Params of `sql_equals`."""

    tables_only: bool = Field(default=False, description="compare only the tables read")


@check(
    "sql_equals",
    kind="reference",
    needs_gold=True,
    behaviour=1,
    params=SqlEquals,
    examples=Examples(
        gold="select name from users where age > 30",
        passes={"output": "SELECT name\nFROM users WHERE age > 30;"},
        fails={"output": "SELECT name FROM users WHERE age >= 30"},
    ),
)
def sql_equals(trace: Trace, params: SqlEquals, gold: Json) -> Result:
    """The SQL parses to the gold query, or reads the same tables."""
    wanted = gold.get("sql") if isinstance(gold, dict) else gold
    if wanted is None:
        return NO_GOLD
    try:
        if not isinstance(wanted, str):
            raise UnreadableSql("not a text")
        expected = sql.read_query(wanted, params.dialect)
    except UnreadableSql as error:
        return Failure("bad-gold", f"the gold query: {quoted(str(error), 200)}")
    answered = params.sql_in(trace.output)
    try:
        query = sql.read_query(answered, params.dialect)
        same = params.tables_only or sql.is_same_query(answered, wanted, params.dialect)
    except UnreadableSql as error:
        return Outcome(False, explanation=f"not readable SQL: {quoted(str(error), 200)}")
    if query.tables != expected.tables:
        read, gold_read = (quoted(", ".join(q.tables) or "no table") for q in (query, expected))
        return Outcome(False, explanation=f"reads {read}; gold reads {gold_read}")
    return Outcome(same, explanation="" if same else "the same tables, another query")


class SqlResult(SqlParams):
    """Params of `sql_result`."""

    setup: str = Field(default="", description="SQL for DuckDB that makes the fixture's tables")
    fixture: str | None = Field(
        default=None,
        pattern=r"^[\w-]+$",
        description="instead of `setup`: a file `fixtures/NAME.sql` of the catalog",
    )
    ordered: bool | None = Field(
        default=None, description="whether rows have an order; null: where the gold query has one"
    )
    names: bool = Field(default=False, description="whether the columns' names have to be the same")
    timeout_s: float = Field(default=5.0, gt=0, le=60, description="the longest a query may take")

    @model_validator(mode="after")
    def check_fixture(self) -> SqlResult:
        """Accepts one of `setup` and `fixture`."""
        if bool(self.setup.strip()) == bool(self.fixture):
            raise ValueError("set one of `setup` and `fixture`")
        return self


class Executed(NamedTuple):
    """The rows of a query, or why there are none."""

    rows: sql_runs.QueryRows | None
    problem: Result | None = None


def execute(query: str, params: SqlResult) -> Executed:
    """Runs a query on the fixture, unless it does more than read."""
    try:
        written = sql.read_query(query, params.dialect)
        statements = sql.parse_statements(query, params.dialect)
        if written.writes or len(statements) != 1:
            what = ", ".join(written.writes) or f"{len(statements)} statements"
            return Executed(None, Outcome(False, explanation=f"not one query: {what}"))
        plain = statements[0].sql(dialect="duckdb", comments=False)
        return Executed(sql_runs.run_query(params.setup, plain, params.timeout_s))
    except (UnreadableSql, RecursionError) as error:
        return Executed(None, Outcome(False, explanation=f"not readable SQL: {quoted(str(error))}"))
    except sql_runs.QueryError as error:
        return Executed(
            None, Outcome(False, explanation=f"does not run: {quoted(str(error), 200)}")
        )
    except sql_runs.FixtureError as error:
        return Executed(None, Failure("bad-fixture", f"the fixture: {quoted(str(error), 200)}"))
    except sql_runs.QueryLimit as error:
        return Executed(None, Failure("sql-limit", quoted(str(error), 200)))


def find_order(gold: str, params: SqlResult) -> bool:
    """Whether the rows are compared in their order."""
    if params.ordered is not None:
        return params.ordered
    return any(tree.args.get("order") for tree in sql.parse_statements(gold, params.dialect))


def run_sql_result(trace: Trace, params: SqlResult, gold: Json) -> Result:
    """The SQL returns on a small fixture the rows that the gold query returns there.

    Both are translated to DuckDB and run in a process of their own, which opens no file and no
    network, in 256 MB of memory and `timeout_s`. Only one query that reads is run. A query beyond
    a limit is an error, not a verdict.
    """
    wanted = gold.get("sql") if isinstance(gold, dict) else gold
    if wanted is None:
        return NO_GOLD
    if not isinstance(wanted, str):
        return Failure("bad-gold", "the gold query is not a text")
    expected = execute(wanted, params)
    if expected.rows is None:
        problem = expected.problem
        words = problem.explanation if isinstance(problem, Outcome) else ""
        return Failure("bad-gold", f"the gold query: {words}") if words else problem or NO_GOLD
    answered = execute(params.sql_in(trace.output), params)
    if answered.rows is None:
        return answered.problem or NO_GOLD
    same = sql_runs.is_same_result(
        answered.rows, expected.rows, ordered=find_order(wanted, params), names=params.names
    )
    words = f"{describe_rows(answered.rows)}; gold {describe_rows(expected.rows)}"
    return Outcome(same, explanation="" if same else words)


def describe_rows(result: sql_runs.QueryRows) -> str:
    """Describes rows by their number and the first one."""
    first = ", ".join(
        "null" if value is None else value for row in result.rows[:1] for value in row
    )
    return f"{len(result.rows):,} rows" + (f", first ({quoted(first, 80)})" if first else "")


class SqlResultCheck(CodeCheck[SqlResult]):
    """`sql_result`, whose fixture may be a file of the catalog: its text is in the version."""

    def configure(self, declared: Declaration) -> Configuration:
        """Adds the fixture's text to the version."""
        configured = super().configure(declared)
        params = SqlResult.model_validate(dict(declared.params))
        if params.fixture is None:
            return configured
        try:
            text = read_fixture(declared.catalog.root, params.fixture)
        except (OSError, UnicodeDecodeError) as error:
            words = f"fixtures/{params.fixture}.sql of the catalog cannot be read: {error}"
            raise WrongDeclaration(("params", "fixture"), words) from error
        return configured._replace(parts={**configured.parts, "fixture": digest(text)})

    def evaluate(self, evaluator: Evaluator, references: GoldAndLabels) -> Evaluate:
        """Reads the fixture once."""
        name = evaluator.params.get("fixture")
        if isinstance(name, str):
            rest = {key: value for key, value in evaluator.params.items() if key != "fixture"}
            params = {**rest, "setup": read_fixture(references.root, name)}
            evaluator = evaluator.model_copy(update={"params": params})
        return super().evaluate(evaluator, references)


def read_fixture(root: Path, name: str) -> str:
    """Reads the SQL of a fixture."""
    return (root / "fixtures" / f"{name}.sql").read_text("utf-8")


sql_result = SqlResultCheck(
    "sql_result",
    run_sql_result,
    SqlResult,
    behaviour=1,
    kind="reference",
    needs_gold=True,
    examples=Examples(
        params={
            "setup": "create table orders (region text, total int);"
            " insert into orders values ('north', 10), ('north', 5), ('south', 7)"
        },
        gold="select region, sum(total) from orders group by region",
        passes={"output": "SELECT region, sum(total) AS sales FROM orders GROUP BY 1 ORDER BY 1"},
        fails={"output": "SELECT region, max(total) FROM orders GROUP BY region"},
    ),
)
