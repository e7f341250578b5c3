"""Assertions: which outputs pass, which fail, and which are neither."""

from __future__ import annotations

from typing import Any

import pytest

from evals.evaluators import sql
from evals.records import Failure, Outcome, Skip
from tests.evals.evaluators.checks import PRICE, run_check

SCHEMA = [
    ('{"price": 12.5}', {}, True, ""),
    ('{"price": "12.5"}', {}, False, "$.price: '12.5' is not of type 'number'"),
    ("{}", {}, False, "$: 'price' is a required property"),
    ('```json\n{"price": 1}\n```', {"allow_fence": True}, True, ""),
    ('```json\n{"price": 1}\n```', {}, False, "not JSON: Expecting value at line 1 column 1"),
    ('Sure! {"price": 1}', {"allow_fence": True}, False, "not JSON"),
    ('{"price": NaN}', {}, False, "not JSON"),
    ("", {}, False, "not JSON"),
    ("[" * 100_000, {}, False, "nested too deep"),
    ("1" * 10_000, {}, False, "not JSON"),
]


@pytest.mark.parametrize(("output", "more", "passed", "words"), SCHEMA)
def test_json_schema(output: str, more: dict[str, Any], passed: bool, words: str) -> None:
    """Only JSON the schema accepts passes, and the first error is named with its path."""
    result = run_check("json_schema", output, {"schema": PRICE, **more})
    assert isinstance(result, Outcome)
    assert result.passed is passed
    assert words in result.explanation


def test_the_first_of_many_errors_is_always_the_same() -> None:
    """Errors are ordered by their path, whatever the order of the schema."""
    numbers = {"a": {"type": "number"}, "b": {"type": "number"}}
    backwards = dict(reversed(numbers.items()))
    explanations = {
        run_check("json_schema", '{"b": "y", "a": "x"}', {"schema": {"properties": p}}).explanation
        for p in (numbers, backwards)
    }
    assert explanations == {"$.a: 'x' is not of type 'number' (and 1 more)"}


WORDS = [
    ("contains", "Yes and No", {"values": ["Yes", "No"]}, True, ""),
    ("contains", "yes", {"values": ["Yes"]}, False, "does not contain Yes"),
    ("contains", "yes", {"values": ["Yes"], "ignore_case": True}, True, ""),
    ("contains", "yes", {"values": ["no", "yes"], "match": "any"}, True, ""),
    ("contains", "", {"values": ["no", "yes"], "match": "any"}, False, "no, yes"),
    ("not_contains", "as an AI", {"values": ["as an AI", "x"]}, False, "contains as an AI"),
    ("not_contains", "well", {"values": ["as an AI"]}, True, ""),
    ("regex", "id 42", {"pattern": r"\d+"}, True, ""),
    ("regex", "none", {"pattern": r"\d+"}, False, "no match"),
    ("regex", "id 42", {"pattern": r"\d+", "full": True}, False, "no match"),
    ("regex", "id 42", {"pattern": r"\d+", "forbid": True}, False, "matches: 42"),
    ("regex", "id", {"pattern": "ID", "ignore_case": True, "forbid": True}, False, "matches"),
    ("json_keys", '{"a": {"b": 1}}', {"keys": ["a.b"]}, True, ""),
    ("json_keys", '{"a": null}', {"keys": ["a"], "filled": True}, False, "no a"),
    ("json_keys", '{"a": 0}', {"keys": ["a"], "filled": True}, True, ""),
    ("json_keys", '{"a": 1, "z": 2}', {"keys": ["a"], "only": True}, False, "unexpected z"),
    ("json_keys", "[1]", {"keys": ["a"]}, False, "not a JSON object"),
]


@pytest.mark.parametrize(("name", "output", "params", "passed", "words"), WORDS)
def test_text_and_keys(name: str, output: str, params: Any, passed: bool, words: str) -> None:
    """Strings, patterns and keys are matched as the params declare."""
    result = run_check(name, output, params)
    assert (result.passed, words in result.explanation) == (passed, True)


def test_a_pattern_that_does_not_finish_is_a_failure() -> None:
    """Catastrophic backtracking is neither passed nor failed."""
    result = run_check("regex", "a" * 60 + "b", {"pattern": "^(a|aa)+$", "timeout_s": 0.05})
    assert isinstance(result, Failure)
    assert result.code == "regex-timeout"


SQL = [
    ("SELECT * FROM orders", {}, True, ""),
    ("select o.x from Sales.Orders o join b on true", {}, True, ""),
    ("WITH c AS (SELECT 1) SELECT * FROM c", {}, False, "reads no table"),
    ("WITH orders AS (SELECT 1) SELECT * FROM orders", {}, False, "reads no table"),
    ("WITH orders AS (SELECT * FROM orders) SELECT * FROM orders", {}, True, ""),
    ("SELECT * FROM customers", {}, False, "reads customers; expected orders"),
    ("SELECT * FROM orders, customers", {"only": True}, False, "reads customers, orders"),
    ("SELECT * FROM orders; DROP TABLE orders", {}, False, "not a mere read: DROP"),
    ("WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d", {}, False, "DELETE"),
    ("INSERT INTO log SELECT * FROM orders", {"read_only": False}, True, ""),
    ("INSERT INTO orders SELECT 1", {"read_only": False}, False, "reads no table"),
    ("SELECT * FROM orders WHERE", {}, False, "not readable SQL"),
    ("I cannot answer that.", {}, False, "not readable SQL"),
    ("", {}, False, "not readable SQL"),
    ("(" * 30_000, {}, False, "not readable SQL"),
    ("```sql\nSELECT * FROM orders\n```", {"allow_fence": True}, True, ""),
    ("```sql\nSELECT * FROM orders\n```", {}, False, ""),
]


@pytest.mark.parametrize(("sql", "more", "passed", "words"), SQL)
def test_sql_reads_tables(sql: str, more: dict[str, Any], passed: bool, words: str) -> None:
    """A query passes when it only reads and reads the expected table; no SQL is a fail."""
    result = run_check("sql_reads_tables", sql, {"tables": ["orders"], **more})
    assert isinstance(result, Outcome)
    assert (result.passed, words in result.explanation) == (passed, True)


def test_gold_may_name_the_tables() -> None:
    """Without tables in the params gold names them, and without gold the trace is skipped."""
    sql = "SELECT * FROM orders"
    for gold in ("orders", ["orders"], {"tables": ["orders"]}):
        assert run_check("sql_reads_tables", sql, {}, gold).passed
    assert not run_check("sql_reads_tables", sql, {}, "customers").passed
    assert run_check("sql_reads_tables", sql, {}) == Skip("no-gold")


FORBIDDEN = [
    ("not_contains", {"values": ["M\u00fcll"]}, "viel Mu\u0308ll"),
    ("not_contains", {"values": ["bad word"]}, "a bad\u00a0word"),
    ("not_contains", {"values": ["can't"]}, "we can\u2019t"),
    ("not_contains", {"values": ["secret"]}, "se\xadcret"),
    ("not_contains", {"values": ["STRASSE"], "ignore_case": True}, "stra\u00dfe"),
    ("regex", {"pattern": "M\u00fcll", "forbid": True}, "viel Mu\u0308ll"),
    ("regex", {"pattern": "bad word", "forbid": True}, "a bad\u00a0word"),
]


@pytest.mark.parametrize(("name", "params", "output"), FORBIDDEN)
def test_no_spelling_hides_forbidden_text(name: str, params: Any, output: str) -> None:
    """Text is compared in one Unicode normal form."""
    assert not run_check(name, output, params).passed
    assert run_check(name, "all is well", params).passed


def test_a_pattern_may_name_a_character_that_is_normalized() -> None:
    """A pattern is matched with the output as written, too."""
    assert run_check("regex", "a \u201cquote\u201d", {"pattern": "\u201c.*\u201d"}).passed
    assert run_check("equals", "Mu\u0308ll ", None, "m\u00fcll").passed
    assert run_check("equals", "20.0", None, 20).passed


def test_the_parser_reads_a_long_query_and_refuses_an_endless_one() -> None:
    """A query of a thousand unions is read; a text beyond the limit is refused, not parsed."""
    long = " UNION ALL ".join(["SELECT a FROM t"] * 200)
    assert sql.read_query(long).tables == ("t",)
    with pytest.raises(sql.UnreadableSql, match="longer"):
        sql.read_query("SELECT 1 " * 10_000)
