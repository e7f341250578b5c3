"""What the checks of each family promise, case by case."""

# ruff: noqa: E501  a case is a line

from __future__ import annotations

from typing import Any

import pytest

from evals.evaluators import dates, markup
from evals.records import Failure, Outcome, Skip
from tests.evals.evaluators.checks import CHECKS, run_check

Case = tuple[str, str, dict[str, Any], dict[str, Any], Any]
PASS, FAIL = True, False


def tool(name: str, arguments: Any = None, **fields: Any) -> dict[str, Any]:
    """A step of a tool."""
    given = {} if arguments is None else {"input": arguments}
    return {"kind": "tool", "name": name, **given, **fields}


def asked(name: str, arguments: str, number: str) -> dict[str, Any]:
    """A message in which a model asks for a tool."""
    function = {"name": name, "arguments": arguments}
    return {"role": "assistant", "tool_calls": [{"id": number, "function": function}]}


FIND = tool("find", {"q": 1})
SCHEMA = {"find": {"type": "object", "required": ["q"]}}
SOURCE = "On 8 October 2026 Ann wrote “goods may be returned within 14 days”: https://a.example/x."
CASES: list[Case] = [
    # form
    ("length", "  three short words ", {"max": 3}, {}, PASS),
    ("length", "", {"min": 1, "unit": "characters"}, {}, FAIL),
    ("length", "One. Two! Three? 3.5 is no end.", {"unit": "sentences", "max": 4}, {}, PASS),
    ("length", "a\n\n \nb\n", {"unit": "lines", "min": 2, "max": 2}, {}, PASS),
    ("length", "字" * 9, {"unit": "characters", "max": 9}, {}, PASS),
    ("format", "2026-02-30", {"format": "date"}, {}, FAIL),
    ("format", "20261008", {"format": "date"}, {}, FAIL),
    ("format", "2026-10-08T09:00:00Z", {"format": "datetime"}, {}, PASS),
    ("format", "2026-10-08", {"format": "datetime"}, {}, FAIL),
    ("format", "a.b+c@x-y.example.com", {"format": "email"}, {}, PASS),
    ("format", "a@b", {"format": "email"}, {}, FAIL),
    ("format", "٣", {"format": "integer"}, {}, FAIL),
    ("format", "https://[", {"format": "url"}, {}, FAIL),
    ("format", "ftp://a.example", {"format": "url"}, {}, FAIL),
    ("format", "- a\n\n2. b", {"format": "list"}, {}, PASS),
    ("format", "- a\nthen", {"format": "list"}, {}, FAIL),
    ("format", "Yes", {"format": "yes_no"}, {}, PASS),
    ("format", '{"d": ["2026-10-08", "soon"]}', {"format": "date", "path": "d"}, {}, FAIL),
    ("format", '{"d": null}', {"format": "date", "path": "d"}, {}, FAIL),
    ("format", "no JSON", {"format": "date", "path": "d"}, {}, FAIL),
    ("one_of", " Refund ", {"values": ["refund"]}, {}, PASS),
    ("one_of", "refund", {"values": ["Refund"], "ignore_case": False}, {}, FAIL),
    ("one_of", '```json\n{"a": {"b": 2.0}}\n```', {"values": [1, 2], "path": "a.b", "allow_fence": True}, {}, PASS),
    ("one_of", '{"a": ["x", "z"]}', {"values": ["x", "y"], "path": "a"}, {}, FAIL),
    ("number_range", "-5", {"min": 0}, {}, FAIL),
    ("number_range", "It fell by −5 points", {"min": 0}, {}, FAIL),
    ("number_range", "2020-21 has 10-20", {"min": 0}, {}, PASS),
    ("number_range", "١٢", {"min": 12, "max": 12}, {}, PASS),
    ("number_range", "1.2 million", {"min": 1_000_000}, {}, PASS),
    ("number_range", "none", {"min": 0}, {}, FAIL),
    ("number_range", '{"p": true}', {"min": 0, "path": "p"}, {}, FAIL),
    ("number_range", '{"p": [1, 2e3]}', {"max": 100, "path": "p"}, {}, FAIL),
    # wording
    ("no_refusal", "Es tut mir leid, aber ich kann dabei nicht helfen.", {}, {}, FAIL),
    ("no_refusal", "Nope, not today.", {"more": ["Not today"]}, {}, FAIL),
    ("no_refusal", "x " * 300 + "I cannot", {}, {}, PASS),
    ("no_apology", "No es posible. Lo siento.", {}, {}, FAIL),
    ("no_repetition", "no " * 40, {}, {}, FAIL),
    ("no_repetition", "これは本です。" * 5, {"words": 3}, {}, FAIL),
    ("no_repetition", "two words", {}, {}, Skip("too-short")),
    # source
    ("dates_in_source", "It was the 8th of October, 2026 (08/10/2026).", {}, {"context": SOURCE}, PASS),
    ("dates_in_source", "Since 2026-10-09.", {}, {"context": SOURCE}, FAIL),
    ("dates_in_source", "In October 2026.", {}, {"context": SOURCE}, PASS),
    ("dates_in_source", "On 8 October 2027.", {}, {"context": SOURCE}, FAIL),
    ("dates_in_source", "Am 8. Oktober.", {"languages": ["de"]}, {"context": "2026-10-08"}, PASS),
    ("dates_in_source", "You may go in March.", {}, {"context": "x"}, PASS),
    ("dates_in_source", "On 8 October 2026.", {}, {"context": "8 October; the year 2026"}, PASS),
    ("dates_in_source", "Now.", {}, {}, Skip("no-source")),
    ("urls_in_source", "([x](https://a.example/x)).", {}, {"input": SOURCE}, PASS),
    ("urls_in_source", "http://www.A.example/x/", {}, {"input": SOURCE}, PASS),
    ("urls_in_source", "https://a.example/X", {}, {"input": SOURCE}, FAIL),
    ("urls_in_source", "https://docs.b.example/y", {"hosts": ["b.example"]}, {"input": "x"}, PASS),
    ("urls_in_source", "https://evilb.example/y", {"hosts": ["b.example"]}, {"input": "x"}, FAIL),
    ("quotes_in_source", '"Goods … within 14 days."', {}, {"context": SOURCE}, PASS),
    ("quotes_in_source", '"within 14 days … goods may"', {}, {"context": SOURCE}, FAIL),
    ("quotes_in_source", 'a so-called "good deal"', {}, {"context": SOURCE}, PASS),
    ("quotes_in_source", "»Ann wrote« and «sent on 9 May late»", {}, {"context": SOURCE}, FAIL),
    ("quotes_in_source", '{"a key of four": "b"}', {}, {"context": SOURCE}, PASS),
    ("quotes_in_source", 'run `echo "not in the source"`', {}, {"context": SOURCE}, PASS),
    ("citations_resolve", "Yes [1, 3-4].", {}, {"context": "[1] a\n[3] b"}, FAIL),
    ("citations_resolve", "Yes [doc-a] and a[9] [link](x).", {}, {"steps": ({"documents": [{"id": "DOC-A"}]},)}, PASS),
    ("citations_resolve", "Yes [0].", {"first": 0}, {"steps": ({"documents": [{"content": "x"}]},)}, PASS),
    ("citations_resolve", "Yes.", {"needed": True}, {"context": "passage 1: a"}, FAIL),
    ("citations_resolve", "Yes [1].", {}, {"context": "plain text"}, Skip("no-passages")),
    # requests
    ("no_error", "", {}, {"status": "timeout"}, FAIL),
    ("no_error", "", {"steps": False}, {"steps": (tool("a", error="x"),)}, PASS),
    ("no_error", "", {}, {"status": "cut_off"}, PASS),
    ("latency", "", {"max_ms": 5}, {}, Skip("no-latency")),
    ("latency", "", {"max_ms": 5}, {"latency_ms": 5.0}, PASS),
    ("tokens", "", {"max": 9, "of": "both"}, {"tokens_in": 5}, Skip("no-token-count")),
    ("tokens", "", {"max": 9, "of": "both"}, {"tokens_in": 5, "tokens_out": 5}, FAIL),
    ("cost", "", {"max_usd": 0.1}, {}, Skip("no-cost")),
    ("cost", "", {"max_usd": 0.1}, {"cost_usd": 0.0}, PASS),
    # SQL
    ("sql_reads_columns", "select * from orders", {"columns": ["orders.total"]}, {}, PASS),
    ("sql_reads_columns", "select * from orders", {"columns": ["total"], "only": True}, {}, FAIL),
    ("sql_reads_columns", "with t as (select total x from s.orders) select x from t", {"columns": ["orders.total"], "only": True}, {}, PASS),
    ("sql_reads_columns", "select u.name from users u join orders o using (id)", {"columns": ["orders.name"]}, {}, FAIL),
    ("sql_reads_columns", "select max(total) total from orders", {"columns": ["total"]}, {}, PASS),
    ("sql_reads_columns", "selec", {"columns": ["total"]}, {}, FAIL),
    ("sql_only_reads", "insert into a select 1", {}, {}, FAIL),
    ("sql_only_reads", "select * into b from a", {}, {}, FAIL),
    ("sql_only_reads", "with d as (delete from a returning *) select * from d", {"dialect": "postgres"}, {}, FAIL),
    ("sql_only_reads", "select 1; select 2", {"many": True}, {}, PASS),
    # tools
    ("tools_called", "", {"tools": ["find"]}, {}, Skip("no-steps")),
    ("tools_called", "", {"tools": ["find"], "only": True}, {"steps": (FIND, tool("x"))}, FAIL),
    ("tools_called", "", {"tools": ["find"]}, {"messages": ({"role": "user"}, asked("find", "{}", "1"))}, PASS),
    ("tools_called", "", {"tools": ["find"]}, {"messages": (asked("find", "{}", "1"), {"role": "user"})}, FAIL),
    ("tools_in_order", "", {"tools": ["a", "b"]}, {"steps": (tool("a"), FIND, tool("b"))}, PASS),
    ("tools_in_order", "", {"tools": ["a", "b"], "only": True}, {"steps": (tool("a"), FIND, tool("b"))}, FAIL),
    ("tools_in_order", "", {"tools": ["a", "a"]}, {"steps": (tool("a"),)}, FAIL),
    ("tool_arguments", "", {"schemas": SCHEMA}, {"steps": (tool("find", "{"),)}, FAIL),
    ("tool_arguments", "", {"schemas": SCHEMA}, {"steps": (tool("find", '{"q": 1}'),)}, PASS),
    ("tool_arguments", "", {"schemas": SCHEMA}, {"steps": (tool("find"),)}, Skip("no-arguments")),
    ("tool_arguments", "", {"schemas": SCHEMA}, {"steps": (tool("find", call_id="1"), asked("find", '{"q": 2}', "1"))}, PASS),
    ("tool_arguments", "", {"schemas": SCHEMA, "only": True}, {"steps": (tool("other", {}),)}, FAIL),
    ("no_tool_loop", "", {}, {"steps": (FIND, FIND)}, PASS),
    ("no_tool_loop", "", {}, {"steps": tuple(tool("find", {"q": n}) for n in range(9))}, PASS),
    ("no_tool_loop", "", {"most": 3}, {"steps": tuple(tool("find", {"q": n}) for n in range(9))}, FAIL),
    ("no_needless_calls", "", {}, {"steps": (FIND, FIND)}, FAIL),
    ("no_needless_calls", "", {}, {"steps": (tool("find", {"q": 1}, error="503"), FIND)}, PASS),
    # syntax
    ("markdown", "| a | b |\n|---|---|\n| 1 |\n", {}, {}, FAIL),
    ("markdown", "| a | `x|y` |\n|---|:-:|\n| 1 | 2 |\n\na | b", {}, {}, PASS),
    ("markdown", "````md\n```\n````", {}, {}, PASS),
    ("markdown", "[here]()", {}, {}, FAIL),
    ("html", "<ul><li>a<li>b</ul><br><img src='>'/>a < b", {}, {}, PASS),
    ("html", "<p>a</div>", {}, {}, FAIL),
    ("html", "<SCRIPT>if (a < b) '</p>'</Script>", {}, {}, PASS),
    ("html", "<a href='x>y", {}, {}, FAIL),
    ("html", "plain", {"needed": True}, {}, FAIL),
    ("code", "```py\nx = '\\d'\n```\n```sh\n(((\n```", {}, {}, PASS),
    ("code", "def f(:", {"language": "python"}, {}, FAIL),
    ("code", "```yaml\na: [\n```", {}, {}, FAIL),
    ("code", "```toml\na = 1\n```\n```json\n{}\n```\n```sql\nselect 1\n```", {}, {}, PASS),
    ("code", "no code", {}, {}, Skip("no-code")),
    ("code", "```python\n" + "(" * 300, {}, {}, FAIL),
    ("code", "```python\nx=" + "-" * 100_000 + "1\n```", {}, {}, Skip("nested-too-deep")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "output", "params", "fields", "wanted"), CASES)
def test_a_check_decides_as_it_promises(
    name: str, output: str, params: dict[str, Any], fields: dict[str, Any], wanted: Any
) -> None:
    """Each case passes, fails with a reason, or is skipped with a word."""
    judge(run_check(name, output, params, **fields), wanted)


def judge(result: Any, wanted: Any) -> None:
    """Compares a result with a verdict, a skip, or an error's code."""
    if isinstance(wanted, bool):
        assert isinstance(result, Outcome), result
        assert result.passed is wanted, result
        assert result.passed or result.explanation
    elif isinstance(wanted, str):
        assert isinstance(result, Failure)
        assert result.code == wanted
    else:
        assert result == wanted


LIBRARIES = {"rouge": "rouge_score", "chrf": "sacrebleu", "fuzzy": "rapidfuzz"}
DOCUMENTS = ({"kind": "retrieval", "documents": [{"id": "a"}, {"id": "b"}, {"content": "C d."}]},)
RERANKED = (*DOCUMENTS, {"kind": "reranker", "documents": [{"id": "b"}, {"id": "a"}]})
COMPARED: list[tuple[str, str, dict[str, Any], dict[str, Any], Any, Any]] = [
    ("exact", "a", {}, {}, ["b", "a"], PASS),
    ("exact", "a ", {}, {}, "a", FAIL),
    ("normalized", "the  Tower, of a London!", {}, {}, "tower of london", PASS),
    ("fuzzy", "colour", {"at_least": 0.9}, {}, "color", PASS),
    ("fuzzy", "x" * 30_000, {}, {}, "y", Skip("too-long")),
    ("fuzzy", "blue sky", {"method": "token_sort_ratio"}, {}, "sky blue", PASS),
    ("set_overlap", '["A", "b"]', {}, {}, ["b", "a"], PASS),
    ("set_overlap", "- a\n- b\n- c", {"at_least": 0.8}, {}, ["a", "b"], PASS),
    ("set_overlap", "", {}, {}, [], PASS),
    ("set_overlap", "a", {}, {}, "a", "bad-gold"),
    ("rouge", "字", {}, {}, "字字", Skip("other-script")),
    ("rouge", "A-1" * 6000, {}, {}, "A-1" * 6000, Skip("too-long")),
    ("chrf", "字字字字", {}, {}, "字字字字", PASS),
    ("attribute_f1", '{"a": 1, "b": 9}', {"at_least": 0.5}, {}, {"a": 1, "b": 2}, PASS),
    ("attribute_f1", "[]", {}, {}, {"a": 1}, FAIL),
    ("recall_at_k", "", {"k": 1}, {"steps": DOCUMENTS}, ["b"], FAIL),
    ("recall_at_k", "", {"k": 1}, {"steps": RERANKED}, ["b"], PASS),
    ("recall_at_k", "", {"at_least": 0.5}, {"steps": DOCUMENTS}, {"documents": ["c  D.", "z"]}, PASS),
    ("recall_at_k", "", {}, {}, ["b"], Skip("no-documents")),
    ("recall_at_k", "", {}, {"steps": DOCUMENTS}, [], Skip("no-gold")),
    ("recall_at_k", "", {}, {"steps": DOCUMENTS}, {"a": -1}, "bad-gold"),
    ("mrr", "", {}, {"steps": DOCUMENTS}, ["b"], PASS),
    ("ndcg", "", {"at_least": 1}, {"steps": DOCUMENTS}, {"a": 1, "b": 2}, FAIL),
    ("ndcg", "", {"at_least": 1}, {"steps": RERANKED}, {"a": 1, "b": 2}, PASS),
    ("no_needless_calls", "", {}, {"steps": (FIND,)}, [], FAIL),
    ("no_needless_calls", "", {}, {"steps": ({"kind": "llm"},)}, [], PASS),
    ("tools_called", "", {"only": True}, {"steps": ({"kind": "llm"},)}, {"tools": []}, PASS),
    ("sql_reads_columns", "select a from t", {}, {}, {"columns": ["a"]}, PASS),
    ("abstention", "Ich weiß nicht.", {}, {}, {"answerable": False}, PASS),
    ("abstention", "I don't know.", {}, {}, True, FAIL),
    ("abstention", "Ask me later.", {"more": ["ask me later"]}, {}, "unanswerable", PASS),
    ("abstention", "12", {}, {}, "maybe", "bad-gold"),
    ("abstention", "12", {}, {}, None, Skip("no-gold")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "output", "params", "fields", "gold", "wanted"), COMPARED)
def test_a_comparison_decides_as_it_promises(
    name: str, output: str, params: dict[str, Any], fields: dict[str, Any], gold: Any, wanted: Any
) -> None:
    """Each case passes, fails with a reason, is skipped with a word, or is an error."""
    if name in LIBRARIES:
        pytest.importorskip(
            {"rouge": "rouge_score", "chrf": "sacrebleu", "fuzzy": "rapidfuzz"}[name]
        )
    judge(run_check(name, output, params, gold, **fields), wanted)


def test_figures_of_a_ranking_are_those_of_the_textbook() -> None:
    """Recall, reciprocal rank and nDCG of a ranking counted by hand."""
    found = {
        name: run_check(name, "", {"k": 3, "at_least": 0}, {"b": 3, "z": 2}, steps=DOCUMENTS).value
        for name in ("recall_at_k", "mrr", "ndcg")
    }
    assert found["recall_at_k"] == found["mrr"] == 0.5
    assert found["ndcg"] == pytest.approx((3 / 1.58496) / (3 + 2 / 1.58496), abs=1e-4)


BAD = [
    ("length", {}, "set `min`, `max` or both"),
    ("length", {"min": 3, "max": 2}, "`min` 3 is above `max` 2"),
    ("one_of", {"values": []}, "values"),
    ("format", {"format": "phone"}, "format"),
    ("tool_arguments", {"schemas": {"a": {"type": "x"}}}, "a: not a JSON Schema"),
    ("latency", {"max_ms": 0}, "max_ms"),
    ("dates_in_source", {"languages": ["xx"]}, "languages"),
    ("sql_result", {"fixture": "../x"}, "fixture"),
]


@pytest.mark.parametrize(("name", "params", "words"), BAD)
def test_bad_params_are_refused(name: str, params: dict[str, Any], words: str) -> None:
    """The key or the reason is named."""
    assert words in (CHECKS[name].check_params(params) or "accepted")


def test_a_missing_library_is_an_error_that_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the extra nothing is scored, and another run may succeed."""
    from evals.evaluators.checks import likeness

    missing = likeness.load_library.__wrapped__("no_such_library.at_all")
    assert isinstance(missing, Failure)
    assert missing.retryable
    assert "andon[text]" in missing.message
    monkeypatch.setattr(likeness, "load_library", lambda name: missing)
    assert run_check("fuzzy", "a", {}, "a") == missing


def test_dates_have_every_reading() -> None:
    """A date that may be two is both; one that is none is left out."""
    (date,) = dates.find_dates("08/10/2026")
    assert {(one.month, one.day) for one in date.readings} == {(10, 8), (8, 10)}
    assert dates.find_dates("99/99/2026, 1.2.34, in May, 32 May") == []


def test_a_flaw_has_its_line() -> None:
    """The first one in the text."""
    assert markup.find_html_flaw("<p>\n<b>\n</i>") == markup.Flaw("</i> closes <b>", 3)
    assert markup.find_markdown_flaw("a\n\n[x]()\n```") == markup.Flaw("a link to nowhere", 3)
