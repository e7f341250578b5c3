"""Promises of the assertions and references: what passes, what fails, and what is neither."""

from __future__ import annotations

import collections
import datetime
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.evaluators import comparisons, sql
from evals.evaluators.code_checks import CodeCheck, TextCheck
from evals.evaluators.registry import shipped_types
from evals.records import Failure, Outcome, Skip, Trace, encode_canonical

DATA = Path(__file__).parents[3].parent / "shared" / "data" / "extractgpt_oa-mine"
NIGHT = datetime.datetime(2026, 10, 1, tzinfo=datetime.UTC)
PRICE = {"type": "object", "required": ["price"], "properties": {"price": {"type": "number"}}}
MINIMAL: dict[str, dict[str, Any]] = {
    "answered": {},
    "json_schema": {"schema": PRICE},
    "json_keys": {"keys": ["price"]},
    "contains": {"values": ["yes"]},
    "not_contains": {"values": ["yes"]},
    "regex": {"pattern": "a+"},
    "sql_reads_tables": {"tables": ["orders"]},
    "numbers_in_source": {},
    "attributes": {},
    "attribute_names": {},
    "attribute": {"name": "price"},
    "equals": {},
    "sql_equals": {},
}

CHECKS = {
    name: evaluator_type
    for name, evaluator_type in shipped_types().items()
    if isinstance(evaluator_type, CodeCheck) and not isinstance(evaluator_type, TextCheck)
}


def run_check(name: str, output: str, params: Any = None, gold: Any = None, **fields: Any) -> Any:
    """Runs a check on an output."""
    trace = Trace(trace_id="t", ts=NIGHT, app="a", output=output, **fields)
    return CHECKS[name].run(trace, MINIMAL[name] if params is None else params, gold)


def test_every_check_is_tested_here() -> None:
    """A new check without a row in the tables of this module fails."""
    assert set(MINIMAL) == set(CHECKS)


@pytest.mark.parametrize("name", sorted(MINIMAL))
def test_behaviour_is_a_number_from_one(name: str) -> None:
    """Each check has the number that is part of its evaluator's version."""
    assert CHECKS[name].behaviour >= 1


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


NUMBERS = [
    ("It costs $1,234.50.", "price 1234.5", {}, True, 1.0),
    ("12% of 1.2 million", "12 percent of 1,200,000", {}, True, 1.0),
    ("1.234,50 EUR", "1,234.50", {}, True, 1.0),
    ("Three or 3 items", "three items", {}, True, 1.0),
    ("COVID-19 and B2B", "a virus", {}, True, None),
    ("1. one thing\n2. another", "things", {}, True, None),
    ("1. one thing", "things", {"ignore_list_markers": False}, False, 0.0),
    ("the 1st of 5", "5 of them", {}, True, 1.0),
    ("the 1st of 5", "5 of them", {"ignore_ordinals": False}, False, 0.5),
    ("2 of 40", "40", {"ignore_up_to": 3}, True, 1.0),
    ("from 19.99 to 20", "from 19.99", {}, False, 0.5),
    ("1.25", "125", {}, False, 0.0),
    ("0.5", "500", {}, False, 0.0),
    ("magnitude-4.8", "a magnitude-4.8 earthquake", {}, True, 1.0),
    ("a 4.8 quake", "a magnitude-4.8 earthquake", {}, True, 1.0),
    ("a magnitude-5.8 quake", "a magnitude-4.8 earthquake", {}, False, 0.0),
    ("before 2010", "pre-2010 houses", {}, True, 1.0),
    ("Pre-2012 houses", "pre-2010 houses", {}, False, 0.0),
    ("the 1990s", "in the mid-1990s", {}, True, 1.0),
    ("the '90s", "in the mid-1990s", {}, True, 1.0),
    ("since 1990", "in the nineties", {}, True, 1.0),
    ("a mid-1980s car", "in the mid-1990s", {}, False, 0.0),
    ("the top 10", "a top-10 hit", {}, True, 1.0),
    ("the under-21 team", "players under 21", {}, True, 1.0),
    ("the under-23 team", "players under 21", {}, False, 0.0),
    ("30 guests", "thirty guests", {}, True, 1.0),
    ("forty guests", "thirty guests", {}, False, 0.0),
    ("Thirty-five guests", "35 guests", {}, True, 1.0),
    ("201 guests", "two hundred and one guests", {}, True, 1.0),
    ("12 eggs", "a dozen eggs", {}, True, 1.0),
    ("from 1995 to 1998", "1995-98", {}, True, 1.0),
    ("from 1995 to 1999", "1995–98", {}, False, 0.5),
    ("10-20 people", "10 to 20 people", {}, True, 1.0),
    ("10-25 people", "10 to 20 people", {}, False, 0.5),
    ("5 million", "5 to 10 million", {}, True, 1.0),
    ("COVID-19", "the 20th century", {}, True, None),
    ("30 Gäste", "dreißig Gäste", {"language": "de"}, True, 1.0),
    ("٣٤ زائر", "35 visitors", {}, False, 0.0),
    ("۳۴", "34 visitors", {}, True, 1.0),
    ("३४ लोग", "35 people", {}, False, 0.0),
    ("৩৪ জন", "35 people", {}, False, 0.0),
    ("๓๔ คน", "35 people", {}, False, 0.0),
    ("３４人", "35 people", {}, False, 0.0),
    ("١٫٥", "1.5 litres", {}, True, 1.0),
    ("EUR99", "EUR 98", {}, False, 0.0),
    ("Rs99", "Rs 99", {}, True, 1.0),
    ("model X99", "no such model", {}, True, None),
    ("the price is\n99. Buy", "it costs 98", {}, False, 0.0),
    ("99.", "it costs 98", {}, False, 0.0),
    ("3. tea\n4. milk", "tea and milk", {}, True, None),
    ("1. tea\n\n2. milk", "tea and milk", {}, True, None),
    ("1,00,000 rupees", "100000 rupees", {}, True, 1.0),
    ("100000 rupees", "1,00,000 rupees", {}, True, 1.0),
    ("10 000 people", "10000 people", {}, True, 1.0),
    ("10 people", "10 000 people", {}, False, 0.0),
    ("10\u2009000", "10,000 people", {}, True, 1.0),
    ("in 2019 100 people", "100 people in 2019", {}, True, 1.0),
    ("room 5 100 chairs", "5 rooms with 100 chairs", {}, True, 1.0),
    (".5 litres", "0.5 litres", {}, True, 1.0),
    ("0.5 litres", ".5 litres", {}, True, 1.0),
    (".6 litres", "0.5 litres", {}, False, 0.0),
]


@pytest.mark.parametrize(("output", "source", "params", "passed", "value"), NUMBERS)
def test_numbers_in_source(
    output: str, source: str, params: Any, passed: bool, value: float | None
) -> None:
    """A number passes only where the source has it, in whatever form."""
    result = run_check("numbers_in_source", output, params, context=source)
    assert (result.passed, result.value) == (passed, value)


def test_a_number_without_a_source_is_skipped() -> None:
    """With neither input nor context there is nothing to compare with."""
    assert run_check("numbers_in_source", "42") == Skip("no-source")


GOLD = {"title": "Desk Lamp", "price": {"12.49": 1}, "colour": None}
ATTRIBUTES = [
    ('{"title": " desk  lamp", "price": "12.49"}', {}, True, 1.0, ""),
    ('{"title": "Desk Lamp", "price": 12.49, "colour": "N/A"}', {}, True, 1.0, ""),
    ('{"title": "Desk Lamp", "price": "12.99"}', {}, False, 0.5, "price: said 12.99, gold 12.49"),
    ('{"title": "Desk Lamp"}', {}, False, 2 / 3, "price: said nothing, gold 12.49"),
    ('{"title": "Desk Lamp", "price": "12.49", "colour": "red"}', {}, False, 0.8, "colour"),
    ('{"title": "desk lamp", "price": "12.49"}', {"ignore_case": False}, False, 0.5, "title"),
    ('{"price": "12.49"}', {"attributes": ["price"]}, True, 1.0, ""),
    ("no JSON", {}, False, 0.0, "not a JSON object"),
]


@pytest.mark.parametrize(("output", "params", "passed", "value", "words"), ATTRIBUTES)
def test_attributes(output: str, params: Any, passed: bool, value: float, words: str) -> None:
    """Every gold attribute has to match and none may be invented; the wrong ones are named."""
    result = run_check("attributes", output, params, GOLD)
    assert result.passed is passed
    assert result.value == pytest.approx(value)
    assert words in result.explanation


VALUES = [
    ({"city": "Bergen"}, {"city": "Oslo"}, False),
    ({"city": "Oslo"}, {"city": "oslo"}, True),
    ({"city": "Oslo", "zip": "n/a"}, {"city": "Oslo"}, True),
    ({"city": "Oslo", "zip": 5003}, {"city": "Oslo"}, False),
    ({"size": {"w": 10, "h": 20}}, {"size": {"w": 10, "h": 21}}, False),
    ({"size": {"w": 10, "h": 20}}, {"size": {"h": 20.0, "w": 10}}, True),
    ({"city": "Oslo"}, "Oslo", False),
    ([{"a": 1}], [{"a": 1}, {"a": 2}], True),
    ([{"a": 3}], [{"a": 1}, {"a": 2}], False),
    (20.0, 20, True),
    ("19.90", 19.9, True),
    (19.9, "19.90", True),
    (1e3, 1000, True),
    ("3.10", "3.1", False),
    (True, 1, False),
    ("M\u00fcll", "Mu\u0308ll", True),
    ("5\u00a0kg", "5 kg", True),
    ("don\u2019t", "don't", True),
    ("Zu\xadcker", "Zucker", True),
]


@pytest.mark.parametrize(("value", "gold", "passed"), VALUES)
def test_values_are_compared_by_meaning(value: Any, gold: Any, passed: bool) -> None:
    """Nested values are compared part by part, numbers by amount, texts in one normal form."""
    outcome = run_check("attribute", json.dumps({"it": value}), {"name": "it"}, {"it": gold})
    assert outcome.passed == passed, outcome.explanation


@pytest.mark.parametrize("name", ["attributes", "attribute_names"])
def test_a_deeply_nested_value_fails(name: str) -> None:
    """An answer nested as deep as a parser can read is an outcome and not an exception."""
    deep = '{"a": ' * 900 + "1" + "}" * 900
    assert isinstance(run_check(name, deep, {}, {"a": {"b": 1}}), Outcome)


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


def test_attribute_names_needs_a_value_and_not_the_right_one() -> None:
    """A wrong value counts; an absent one, null or `n/a` does not."""
    assert run_check("attribute_names", '{"title": "wrong", "price": 1}', {}, GOLD).passed
    result = run_check("attribute_names", '{"title": "Desk Lamp", "price": "n/a"}', {}, GOLD)
    assert (result.passed, result.explanation) == (False, "no value for price")


def test_one_attribute() -> None:
    """A single attribute is compared with its own gold, whatever the other attributes are."""
    output = '{"title": "wrong", "price": "12.49"}'
    assert run_check("attribute", output, {"name": "price"}, GOLD).passed
    assert run_check("attribute", output, {"name": "price"}, "12.49").passed
    assert not run_check("attribute", output, {"name": "title"}, GOLD).passed


EQUALS = [
    ("equals", " Forty  Two ", {}, "forty two", True),
    ("equals", "42", {}, ["41", "42"], True),
    ("equals", "42", {}, "43", False),
    ("equals", "A", {"ignore_case": False}, "a", False),
    ("sql_equals", "select A from T -- so", {}, "SELECT a FROM t", True),
    ("sql_equals", "select b from t", {}, {"sql": "SELECT a FROM t"}, False),
    ("sql_equals", "select b from t", {"tables_only": True}, "SELECT a FROM t", True),
    ("sql_equals", "select 'A' from t", {}, "select 'a' from t", False),
    ("sql_equals", "no sql here", {}, "SELECT a FROM t", False),
]


@pytest.mark.parametrize(("name", "output", "params", "gold", "passed"), EQUALS)
def test_equality_with_gold(name: str, output: str, params: Any, gold: Any, passed: bool) -> None:
    """Case, spacing and SQL formatting may differ, and the meaning may not."""
    assert run_check(name, output, params, gold).passed is passed


@pytest.mark.parametrize("name", [n for n, s in CHECKS.items() if s.needs_gold])
def test_a_reference_without_gold_is_skipped(name: str) -> None:
    """Without gold there is no verdict."""
    assert run_check(name, '{"price": 1}') == Skip("no-gold")


def test_unreadable_gold_is_a_failure() -> None:
    """A mistake in a gold set never counts against the application."""
    assert isinstance(run_check("sql_equals", "select 1", {}, "not sql at all ("), Failure)
    assert isinstance(run_check("attributes", "{}", {}, 5), Failure)


BAD_PARAMS = [
    ("json_schema", {}, "schema"),
    ("json_schema", {"schema": {"type": "nonsense"}}, "not a JSON Schema"),
    ("json_schema", {"schema": {"$ref": "https://example.com/s.json"}}, "not inside the schema"),
    ("json_keys", {"keys": []}, "keys"),
    ("contains", {"values": ["a"], "mode": "all"}, "mode"),
    ("contains", {"values": "yes"}, "values"),
    ("regex", {"pattern": "("}, "not a regular expression"),
    ("sql_reads_tables", {"dialect": "klingon"}, "no SQL dialect 'klingon'"),
    ("attribute", {}, "name"),
]


@pytest.mark.parametrize(("name", "params", "words"), BAD_PARAMS)
def test_bad_params_are_refused_with_their_key(name: str, params: Any, words: str) -> None:
    """A catalog's wrong params are refused when it is loaded."""
    assert words in (CHECKS[name].check_params(params) or "accepted")


@pytest.mark.parametrize("name", sorted(MINIMAL))
def test_good_params_are_accepted(name: str) -> None:
    """The smallest params of each check are enough."""
    assert CHECKS[name].check_params(MINIMAL[name]) is None


ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=80)


@settings(deadline=None)  # the first call imports the parser
@given(output=ANY_TEXT, source=ANY_TEXT)
def test_no_text_makes_a_check_raise_or_write_invalid_unicode(output: str, source: str) -> None:
    """On any text each check has a result whose explanation can be hashed and stored."""
    gold = {"attributes": {"price": source}, "sql_equals": "select 1"}
    for name in MINIMAL:
        result = run_check(name, output, None, gold.get(name, source), input=source)
        encode_canonical(result.explanation if isinstance(result, Outcome) else "").decode("utf-8")


@settings(deadline=None)  # the first call imports the parser
@given(st.integers(0, 10**12), st.integers(0, 99))
def test_a_number_is_recognised_in_every_format(whole: int, cents: int) -> None:
    """Thousands separators, either decimal mark and currency signs do not change a number."""
    english, plain = f"${whole:,}.{cents:02}", f"{whole}.{cents:02}"
    german = english.translate(str.maketrans(",.", ".,"))
    for output, source in ((english, plain), (plain, english), (german, plain)):
        assert run_check(
            "numbers_in_source", f"{output} in all", context=f"sum: {source} paid"
        ).passed


def test_the_parser_reads_a_long_query_and_refuses_an_endless_one() -> None:
    """A query of a thousand unions is read; a text beyond the limit is refused, not parsed."""
    long = " UNION ALL ".join(["SELECT a FROM t"] * 200)
    assert sql.read_query(long).tables == ("t",)
    with pytest.raises(sql.UnreadableSql, match="longer"):
        sql.read_query("SELECT 1 " * 10_000)


PUBLISHED = {
    "list-10shot-train1.0": 74.01,
    "json-schema-10shot-train0.2": 80.19,
    "json-schema-10shot-train1.0": 82.16,
    "json-schema-10shot-ensemble-train0.2": 81.97,
    "json-schema-10shot-ensemble-train1.0": 83.43,
}


def read_extractions() -> dict[str, list[tuple[dict[str, Any], dict[str, Any]]]]:
    """Reads extraction and gold by prompt version; skips where the data is absent."""
    if not DATA.is_dir():
        pytest.skip("the ExtractGPT runs are not at ../shared/data")
    with gzip.open(DATA / "labels.jsonl.gz", "rt") as rows:
        gold = {row["trace_id"]: row["verdict"] for row in map(json.loads, rows)}
    extractions: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = collections.defaultdict(
        list
    )
    with gzip.open(DATA / "traces.jsonl.gz", "rt") as rows:
        for row in map(json.loads, rows):
            extractions[row["prompt_version"]].append(
                (json.loads(row["output"]), gold[row["trace_id"]])
            )
    return extractions


@pytest.mark.parametrize("version", sorted(PUBLISHED))
def test_micro_f1_is_the_published_figure(version: str) -> None:
    """On 491 real extractions for each prompt the F1 is the published one.

    The publication counts no value of an attribute that gold does not have; it treats `n/a` but
    not `N/A` as a missing value, which one extraction of the list prompt answers.
    """
    compared = [
        comparisons.compare_attributes(output, gold, missing=("n/a",), ignore_case=False)
        for output, gold in read_extractions()[version]
    ]
    assert len(compared) == 491
    f1 = comparisons.micro_f1(compared, count_invented=False)
    assert f1 is not None
    assert 100 * f1 == pytest.approx(PUBLISHED[version], abs=0.021 if "list" in version else 0.005)
    stricter = comparisons.micro_f1(compared)
    assert stricter is not None
    assert stricter < f1
