"""Untrusted SQL on a fixture: what it cannot reach, and how its result is compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evals.evaluators import resolution, sql_runs, sql_worker
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.registry import shipped_types
from evals.evaluators.sql_runs import QueryRows
from evals.records import Failure, Outcome, Trace
from evals.specs import CatalogError, load_catalog
from tests.evals.evaluators.checks import CHECKS, NIGHT

SETUP = (
    "create table orders (region text, total double, day date);"
    " insert into orders values ('north', 10, '2026-10-01'), ('north', 5, null), ('south', 7, null)"
)


@pytest.fixture(scope="module", autouse=True)
def stopped() -> Iterator[None]:
    """Ends the worker process after these tests."""
    yield
    sql_runs.WORKER.stop()


def compare(output: str, gold: Any, **params: Any) -> Any:
    """Runs the check on an output."""
    trace = Trace(trace_id="t", ts=NIGHT, app="a", output=output)
    return CHECKS["sql_result"].run(trace, {"setup": SETUP, "timeout_s": 20, **params}, gold)


TOTALS = {"sql": "select total from orders"}
SAME = [
    ("select total, region from orders where region = 'south'", "select 7, 'south'", {}),
    ("select region from orders order by total", "select region from orders", {}),
    ("select * from orders", "select region, total, day from orders", {"names": True}),
    ("select count(*) n from orders", "select sum(1) from orders", {}),
    ("select ifnull(total, 0) d from orders", "select coalesce(total, 0) from orders", {}),
    ("with a as (select total t from orders) select t from a", TOTALS, {}),
    ("SELECT TOP 1 [total] FROM orders WHERE total = 7", "select 7.0", {"dialect": "tsql"}),
]  # fmt: skip


@pytest.mark.parametrize(("output", "gold", "params"), SAME)
def test_another_query_with_the_same_rows_passes(output: str, gold: Any, params: Any) -> None:
    """Wording, order, names and dialect make no difference to the result."""
    assert compare(output, gold, **params) == Outcome(True)


DIFFERENT = [
    ("select region from orders", "select region from orders where total > 5", {}, "3 rows"),
    ("select distinct region from orders", "select region from orders", {}, "2 rows"),
    ("select region, total from orders", "select region from orders", {}, "rows"),
    ("select total from orders", "select total from orders order by total", {}, "rows"),
    ("select total as t from orders", "select total from orders", {"names": True}, "rows"),
    ("select colour from orders", "select region from orders", {}, "does not run: "),
    ("drop table orders", "select region from orders", {}, "not one query: DROP"),
    ("select 1; select 2", "select region from orders", {}, "not one query: 2 statements"),
    ("hello there", "select region from orders", {}, "not readable SQL"),
]  # fmt: skip


@pytest.mark.parametrize(("output", "gold", "params", "words"), DIFFERENT)
def test_other_rows_fail(output: str, gold: Any, params: Any, words: str) -> None:
    """Other rows, another number of them, or no result at all is a fail with its reason."""
    result = compare(output, gold, **params)
    assert isinstance(result, Outcome)
    assert not result.passed
    assert words in result.explanation


FORBIDDEN = [
    "select * from read_csv('/etc/passwd')",
    "select * from '/etc/passwd'",
    "select * from read_text('/etc/passwd')",
    "select * from glob('/*')",
    "select * from read_parquet('https://example.com/a.parquet')",
    "copy orders to '/tmp/andon-leak.csv'",
    "attach '/tmp/andon-leak.db' as leak",
    "install httpfs",
    "load httpfs",
    "set enable_external_access = true",
    "set memory_limit = '100GB'",
    "reset lock_configuration",
    "export database '/tmp/andon-leak'",
    "select getenv('PATH')",
]


@pytest.mark.parametrize("query", FORBIDDEN)
def test_a_query_reaches_nothing_outside_of_its_fixture(query: str) -> None:
    """Even where the parser lets it through, DuckDB refuses files, network and settings."""
    answer = sql_worker.run_query(SETUP, query)
    assert set(answer) == {"error"}, answer
    assert not list(Path("/tmp").glob("andon-leak*"))  # noqa: S108  what it tried to write


def test_neither_does_the_fixture() -> None:
    """A catalog's own SQL has no more rights."""
    assert "setup_error" in sql_worker.run_query("create table t as from '/etc/passwd'", "select 1")


LIMITS = [
    "select count(*) from range(100000000) a, range(100000000) b where (a.range * b.range) % 7 = 3",
    "select * from range(1000000)",
    "select repeat('a', 5000000)",
    "with recursive t(n) as (select 1 union all select n + 1 from t) select max(n) from t",
]


@pytest.mark.parametrize("query", LIMITS)
def test_a_query_beyond_a_limit_is_an_error_and_the_next_one_runs(query: str) -> None:
    """Too long, too many rows, too much text: no verdict; the process is started again."""
    result = compare(query, "select region from orders", timeout_s=1.5)
    assert isinstance(result, Failure)
    assert result.code == "sql-limit"
    assert compare("select 1", "select 1") == Outcome(True)


def test_too_much_memory_is_a_limit() -> None:
    """A query that needs more than the worker has is no verdict either."""
    query = "select count(distinct md5(i::text) || md5((i + 1)::text)) from range(30000000) t(i)"
    answer = compare(query, "select 1", timeout_s=60)
    assert isinstance(answer, Failure)
    assert answer.code == "sql-limit"


BAD_GOLD = [
    ("select nothing from orders", "bad-gold"),
    ("drop table orders", "bad-gold"),
    (5, "bad-gold"),
    ({"sql": ["a"]}, "bad-gold"),
]


@pytest.mark.parametrize(("gold", "code"), BAD_GOLD)
def test_a_gold_query_that_cannot_run_is_an_error(gold: Any, code: str) -> None:
    """It concludes nothing about the answer."""
    result = compare("select 1", gold)
    assert isinstance(result, Failure)
    assert result.code == code


def test_a_broken_fixture_is_an_error() -> None:
    """So is a fixture that does not load; its message names it."""
    trace = Trace(trace_id="t", ts=NIGHT, app="a", output="select 1")
    result = CHECKS["sql_result"].run(trace, {"setup": "create tabel x"}, "select 1")
    assert isinstance(result, Failure)
    assert result.code == "bad-fixture"
    wrong = CHECKS["sql_result"].check_params({})
    assert wrong is not None
    assert "set one of `setup` and `fixture`" in wrong


def test_rows_count_as_often_as_they_occur() -> None:
    """Without an order rows are a multiset."""
    one = QueryRows(("a",), (("1",), ("1",), ("2",)))
    other = QueryRows(("b",), (("1",), ("2",), ("2",)))
    assert not sql_runs.is_same_result(one, other, ordered=False, names=False)
    assert shipped_types()["sql_result"].needs_gold


def test_a_fixture_may_be_a_file_of_the_catalog(tmp_path: Path) -> None:
    """Its text is part of the version; a missing one is refused with its name."""
    check = "{reference: sql_result, gold: g, params: {fixture: shop}}"
    dimension = f"{{dimension: d, question: 'Is it so?', check: {check}}}"
    for name, text in {
        "apps/a.yaml": "app: a\nsuite: s\n",
        "suites/s.yaml": f"suite: s\ndimensions:\n  - {dimension}\n",
        "gold/g.jsonl": '{"input": "How many?", "gold": "select count(*) from orders"}\n',
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(CatalogError, match=r"fixtures/shop\.sql of the catalog cannot be read"):
        resolution.resolve_app(load_catalog(tmp_path), "a")
    (tmp_path / "fixtures").mkdir()
    versions: set[str] = set()
    for rows in ("(1), (2)", "(1)"):
        text = f"create table orders (id int); insert into orders values {rows}"  # noqa: S608  a fixture
        (tmp_path / "fixtures" / "shop.sql").write_text(text)
        (evaluator, *_) = resolution.resolve_app(load_catalog(tmp_path), "a")
        versions.add(evaluator.version)
        evaluate = CHECKS["sql_result"].evaluate(evaluator, GoldAndLabels.of(tmp_path, []))
        trace = Trace("t", NIGHT, "a", "select 1", "How many?")
        ((result, _),) = evaluate(trace)
        assert isinstance(result, Outcome)
        assert result.passed is (rows == "(1)")
    assert len(versions) == 2
