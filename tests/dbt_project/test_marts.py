"""Promises of the marts: every figure that dbt computes from a small lake.

Intervals and tests of significance are tested in tests/evals/statistics.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml

from evals.pipeline import list_slice_rows
from evals.slices.attributes import list_attributes, make_keyword
from evals.slices.catalog_lines import write_line
from evals.slices.traces_table import TURN
from evals.specs import Slice
from evals.specs.load import load_catalog

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest
from tests.dbt_project.scratch import Row, Scratch, make_scratch, run_dbt

NIGHT = "2026-10-08"


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manifest]:
    """The project, parsed once for every scratch database."""
    folder = tmp_path_factory.mktemp("dbt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_TARGET_PATH", str(folder / "target"))
        patch.setenv("DBT_LOG_PATH", str(folder / "logs"))
        patch.setenv("ANDON_SCRATCH", str(folder / "andon.duckdb"))
        result = run_dbt("parse", "--no-partial-parse")
        assert result.success, result.exception
        yield result.result


@pytest.fixture
def scratch(parsed: Manifest, tmp_path: Path) -> Scratch:
    """An empty lake of the test's own."""
    return make_scratch(tmp_path, parsed)


def make_trace(trace_id: str, session_id: str | None = None, **fields: Any) -> Row:
    """A trace of the night."""
    defaults: Row = {"date": NIGHT, "app": "chat", "model": "m1", "versions": '{"index": "i1"}'}
    return {**defaults, "trace_id": trace_id, "session_id": session_id, **fields}


def make_score(trace_id: str, verdict: str | None, **fields: Any) -> Row:
    """A judge's score; without a verdict, an error by timeout."""
    defaults: Row = {
        "date": NIGHT,
        "app": "chat",
        "dimension": "polite",
        "evaluator": "judge-a",
        "evaluator_version": "v1",
        "kind": "judge",
        "status": "scored" if verdict else "error",
        "code": None if verdict else "timeout",
        "inclusion": 1.0,
    }
    return {**defaults, "trace_id": trace_id, "verdict": verdict, **fields}


def make_label(trace_id: str, verdict: str) -> Row:
    """What people decided on a trace."""
    return {
        "date": NIGHT,
        "app": "chat",
        "trace_id": trace_id,
        "dimension": "polite",
        "verdict": verdict,
    }


def make_slice(slice_name: str, kind: str, expression: str, app: str = "*") -> Row:
    """A slice of the catalog."""
    return {"app": app, "slice": slice_name, "kind": kind, "expression": expression}


def list_members(scratch: Scratch, slice_name: str) -> set[str]:
    """The traces of a slice."""
    rows = scratch.query("select slice, trace_id from fct_slice_members")
    return {trace_id for name, trace_id in rows if name == slice_name}


def publish_slices(scratch: Scratch, *trace_ids: str) -> None:
    """Makes the slice marts of an earlier run: these traces, in `all`."""
    with duckdb.connect(str(scratch.path)) as database:
        database.execute(
            "create table dim_slices as select 'chat' as app, 'all' as slice, 'all' as kind,"
            " 'every trace' as definition"
        )
        database.execute(
            "create table fct_slice_members as select cast(? as date) as date, 'chat' as app,"
            " unnest(?) as trace_id, cast(null as varchar) as session_id, 'all' as slice",
            [NIGHT, list(trace_ids)],
        )


@pytest.fixture(scope="module")
def night(parsed: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    """Five answers in two sessions and three alone, scored, labelled, built in both passes."""
    scratch = make_scratch(tmp_path_factory.mktemp("night"), parsed)
    sessions: list[str | None] = ["s1", "s1", "s1", "s2", "s2", None, None]
    for number, session in enumerate(sessions):
        scratch.fill("traces", make_trace(f"t{number}", session, input=f"question {number}"))
    scratch.fill("traces", make_trace("t7", None, model="m2", versions="not json", input="Refund?"))
    verdicts = ["pass", "fail", "pass", "pass", "pass", "fail", None, "pass"]
    scratch.fill("scores", *(make_score(f"t{n}", verdict) for n, verdict in enumerate(verdicts)))
    scratch.fill(
        "scores", make_score("t0", None, dimension="sql", status="skipped", code="no-gold")
    )
    scratch.fill(
        "labels",
        make_label("t0", "pass"),
        make_label("t1", "pass"),
        make_label("t2", "fail"),
        make_label("t5", "fail"),
        make_label("t6", "fail"),
    )
    scratch.fill(
        "slices", make_slice("model", "by", "model"), make_slice("refund", "keyword", "refund")
    )
    scratch.fill(
        "verdicts",
        {
            "date": NIGHT,
            "app": "chat",
            "trace_id": "t0",
            "guardrail": "pii",
            "evaluator_version": "g1",
            "tripped": True,
            "action": "redact",
        },
    )
    scratch.build_without_errors("slices", "quality")
    return scratch


def test_rates_count_each_status_apart_and_carry_the_clustered_sum(night: Scratch) -> None:
    """Five of seven pass; sessions' residuals are -1/7, 4/7, -5/7 and 2/7 by hand."""
    (rate,) = night.query(
        "select n, passed, failed, errored, skipped, sessions, session_ss from rpt_rates"
        " where slice = 'all' and dimension = 'polite'"
    )
    assert rate[:6] == (8, 5, 2, 1, 0, 4)
    assert rate[6] == pytest.approx((1 + 16 + 25 + 4) / 49, abs=1e-12)
    assert night.query(
        "select n, skipped, sessions, session_ss from rpt_rates"
        " where slice = 'all' and dimension = 'sql'"
    ) == [(1, 1, 0, None)]


def test_rates_of_a_slice_are_over_its_members_only(night: Scratch) -> None:
    """A slice by model has the rows of that model, a keyword slice those that match."""
    rows = night.query(
        "select slice, n, passed from rpt_rates where dimension = 'polite' order by slice"
    )
    assert rows == [("all", 8, 5), ("model=m1", 7, 4), ("model=m2", 1, 1), ("refund", 1, 1)]


def test_agreement_is_with_what_people_decided(night: Scratch) -> None:
    """One of each: t0 agrees on pass, t1 and t2 do not, t5 agrees on fail; t6 has no score."""
    assert night.query("select tp, fn, fp, tn from fct_agreement") == [(1, 1, 1, 1)]


def test_failures_keep_errors_and_skips_apart(night: Scratch) -> None:
    """Both have a code and a count; neither is a verdict."""
    rows = night.query("select dimension, status, code, n from rpt_failures order by status")
    assert rows == [("polite", "error", "timeout", 1), ("sql", "skipped", "no-gold", 1)]


def test_provenance_and_causes_count_free_versions_too(night: Scratch) -> None:
    """A trace whose versions are no JSON has a model and no index."""
    provenance = night.query("select field, value, n from rpt_provenance order by all")
    assert provenance == [("model", "m1", 7), ("model", "m2", 1), ("versions.index", "i1", 7)]
    causes = night.query("select field, value, passed, failed from rpt_cause_rates order by all")
    assert causes == [("model", "m1", 4, 2), ("model", "m2", 1, 0), ("versions.index", "i1", 4, 2)]


def test_decisions_of_the_guard_stand_beside_both_verdicts(scratch: Scratch) -> None:
    """One row for each pair; metadata of another shape, and a repeated result, count nothing."""

    def decide(*results: dict[str, object]) -> str:
        return json.dumps({"guard": {"action": "none", "results": results}})

    stopped = {"guardrail": "pii", "tripped": True, "action": "block"}
    late = {"guardrail": "pii", "action": "none", "error": "too-slow: 5 ms"}
    scratch.fill(
        "traces",
        make_trace("a", metadata=decide(stopped, stopped, {"guardrail": "other"})),
        make_trace("b", metadata=decide({"guardrail": "pii", "action": "none"}, {"odd": 1})),
        make_trace("c", metadata=decide(late)),
        *(
            make_trace(f"odd{n}", metadata=text)
            for n, text in enumerate(
                ('{"guard": "x"}', '{"guard": {"results": 3}}', '"guard"', "{")
            )
        ),
    )
    scratch.fill(
        "scores",
        *(
            make_score(name, verdict, dimension="pii", evaluator="pii", kind="guardrail")
            for name, verdict in (("a", "pass"), ("b", "fail"))
        ),
    )
    scratch.fill("labels", {**make_label("b", "fail"), "dimension": "pii"})
    publish_slices(scratch, "a", "b", "c")
    scratch.build_without_errors("quality")
    assert scratch.query("select * exclude (date, app) from rpt_guard_audit order by all") == [
        ("other", "passed", None, None, 1),
        ("pii", "passed", "fail", "fail", 1),
        ("pii", "stopped", "pass", None, 1),
        ("pii", "unchecked", None, None, 1),
    ]


def test_requests_are_counted_by_how_they_ended(scratch: Scratch) -> None:
    """A trace without a status is of before there was one, and was answered."""
    scratch.fill("traces", make_trace("a"), make_trace("b", status="ok"))
    scratch.fill("traces", make_trace("c", status="timeout"))
    publish_slices(scratch, "a", "b", "c")
    scratch.build_without_errors("quality")
    assert scratch.query("select status, n from rpt_statuses order by all") == [
        ("ok", 2),
        ("timeout", 1),
    ]


def test_scores_have_the_provenance_of_their_trace(night: Scratch) -> None:
    """Session and model come from the trace; guardrail verdicts have a mart of their own."""
    query = "select session_id, model from fct_scores where trace_id = 't3'"
    assert night.query(query) == [("s2", "m1")]
    assert night.query("select guardrail, tripped, action from fct_verdicts") == [
        ("pii", True, "redact")
    ]


def test_only_production_counts(scratch: Scratch) -> None:
    """A replay, an experiment and an anchor are in the ledger, and in no mart."""
    publish_slices(scratch, "a")
    scratch.fill("traces", make_trace("a"))
    others = ("replay", "experiment", "anchor")
    scratch.fill("scores", make_score("a", "pass", origin="production"))
    scratch.fill("scores", *(make_score("a", "fail", origin=origin) for origin in others))
    verdict = {"date": NIGHT, "app": "chat", "trace_id": "a", "guardrail": "pii"}
    verdict |= {"evaluator_version": "g1", "tripped": True}
    scratch.fill("verdicts", *({**verdict, "origin": origin} for origin in others))
    scratch.fill("labels", *({**make_label("a", "fail"), "origin": o} for o in others))
    scratch.fill("labels", make_label("a", "pass"))
    scratch.build_without_errors("quality")
    assert scratch.query("select subject, subject_id, origin, verdict from fct_scores") == [
        ("trace", "a", "production", "pass")
    ]
    assert scratch.query("select n, passed from rpt_rates") == [(1, 1)]
    assert scratch.query("select count(*) from fct_verdicts") == [(0,)]
    assert scratch.query("select tp, fn, fp, tn from fct_agreement") == [(1, 0, 0, 0)]


def test_a_session_and_its_last_trace_are_two_subjects(scratch: Scratch) -> None:
    """The same evaluator may score a session and its last trace."""
    publish_slices(scratch, "a")
    scratch.fill("traces", make_trace("a", "s1"))
    scratch.fill("scores", make_score("a", "pass"))
    scratch.fill("scores", make_score("a", "fail", subject="session", subject_id="s1"))
    scratch.build_without_errors("quality")
    rows = scratch.query("select subject, subject_id, verdict from fct_scores order by all")
    assert rows == [("session", "s1", "fail"), ("trace", "a", "pass")]


def test_every_unit_test_passes_and_belongs_to_a_pass(scratch: Scratch) -> None:
    """Together the passes run every unit test the project declares."""
    ran: dict[str, str] = {}
    for selector in ("slices", "quality"):
        ran.update(scratch.build(selector))
    declared = {node.name for node in scratch.manifest.unit_tests.values()}
    assert declared
    assert {name: ran.get(name) for name in declared} == dict.fromkeys(declared, "pass")


def test_an_empty_lake_builds(scratch: Scratch) -> None:
    """No trace, no slice and no score are no error, and the marts have their columns."""
    scratch.build_without_errors("slices", "quality")
    assert scratch.query("select date, app, trace_id, slice from fct_slice_members") == []
    assert scratch.query("select n, sessions, session_ss from rpt_rates") == []


def test_without_slices_every_trace_is_in_all(scratch: Scratch) -> None:
    """`all` needs no declaration in the catalog."""
    scratch.fill("traces", make_trace("a"), make_trace("b", app="sql"))
    scratch.build_without_errors("slices")
    assert scratch.query("select app, slice, kind, definition from dim_slices order by app") == [
        ("chat", "all", "all", "every trace"),
        ("sql", "all", "all", "every trace"),
    ]
    assert list_members(scratch, "all") == {"a", "b"}


KEYWORDS = {
    "x' or 1=1 --": ("say X' OR 1=1 -- please", "x"),
    "refund": ("A REFUND, please", "refunded"),
    "c++": ("is C++ fast?", "is c fast?"),
    "a.c": ("the a.c file", "the abc file"),
    "é": ("un É ici", "café"),
    "007": ("agent\n007", "agent 7"),
    "null": ("a null value", ""),
    "{{ 1/0 }}": ("so {{ 1/0 }} there", "so there"),
}
"""By keyword: an input that matches, and one that does not."""


@pytest.fixture(scope="module")
def keyword_slices(parsed: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    """One slice per keyword, over all inputs and one trace without an input."""
    scratch = make_scratch(tmp_path_factory.mktemp("keywords"), parsed)
    scratch.fill("traces", make_trace("no input"))
    for number, (keyword, inputs) in enumerate(KEYWORDS.items()):
        scratch.fill("traces", *(make_trace(text, input=text) for text in inputs))
        scratch.fill("slices", make_slice(f"word-{number}", "keyword", keyword))
    scratch.build_without_errors("slices")
    return scratch


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_a_keyword_is_a_whole_word_taken_literally(keyword_slices: Scratch, keyword: str) -> None:
    """A keyword is searched for literally, in any case, and never executed."""
    traces = list_members(keyword_slices, f"word-{list(KEYWORDS).index(keyword)}")
    assert traces == {KEYWORDS[keyword][0]}


def test_predicates_read_the_traces_and_a_row_they_fail_on_is_left_out(scratch: Scratch) -> None:
    """A row with a bad cast is not in the slice, and the build succeeds."""
    scratch.fill(
        "traces",
        make_trace("big", metadata='{"size": "10"}'),
        make_trace("small", metadata='{"size": "2"}'),
        make_trace("bad", metadata='{"size": "?"}'),
        make_trace("theirs", app="sql", metadata='{"size": "99"}'),
    )
    predicate = "cast(metadata ->> '$.size' as integer) > 5 -- a team's remark"
    scratch.fill("slices", make_slice("big", "where", predicate, app="chat"))
    scratch.fill("slices", make_slice("app's", "by", "upper(app) || '=' || model"))
    scratch.build_without_errors("slices")
    assert list_members(scratch, "big") == {"big"}
    assert list_members(scratch, "app's=SQL=m1") == {"theirs"}
    assert scratch.query("select app, slice from dim_slices where kind = 'by' order by app") == [
        ("chat", "app's=CHAT=m1"),
        ("sql", "app's=SQL=m1"),
    ]


def test_quality_builds_alone_on_published_slices(scratch: Scratch) -> None:
    """A night is rated again from published slices, without the pass that made them."""
    publish_slices(scratch, "a")
    scratch.fill("traces", make_trace("a"))
    scratch.fill("scores", make_score("a", "pass"))
    scratch.build_without_errors("quality")
    assert scratch.query("select slice, n, passed from rpt_rates") == [("all", 1, 1)]


@pytest.mark.parametrize(
    ("row", "promise"),
    [
        (make_score("a", "pass", status="error"), "only_scored_rows_have_a_verdict"),
        (
            make_score("nowhere", "pass"),
            "relationships_fct_scores_trace_id__trace_id__ref_stg_trace_facts_",
        ),
        (make_score("unsliced", "pass"), "every_score_is_counted_in_all"),
    ],
)
def test_a_broken_promise_fails_the_build_by_name(scratch: Scratch, row: Row, promise: str) -> None:
    """The tests find an error with a verdict, a score without a trace, and an uncounted score."""
    publish_slices(scratch, "a")
    scratch.fill("traces", make_trace("a"), make_trace("unsliced"))
    scratch.fill("scores", row)
    statuses = scratch.build("quality", "--exclude-resource-type", "unit_test")
    assert {name for name, status in statuses.items() if status == "fail"} == {promise}


ODD = 'it\'s "1"; -- {{ no }}'


def list_attribute_members(scratch: Scratch) -> dict[str, tuple[str, set[str]]]:
    """Every slice of one attribute that a search looks at: its line, and its traces."""
    found: dict[str, tuple[str, set[str]]] = {}
    with duckdb.connect(str(scratch.path)) as database:
        database.execute(
            f"create temp view traces as select *, {TURN} from lake.traces "  # noqa: S608 ours
            "left join lake.requests using (date, app, trace_id)"
        )
        attributes = list_attributes(database, [], "chat")
        for attribute in [*attributes, make_keyword("straße")]:
            rows = database.execute(
                f"select try({attribute.expression}), list(trace_id) from traces group by 1"  # noqa: S608 ours
            ).fetchall()
            for value, members in rows:
                if value is not None:
                    predicate = attribute.write_predicate(value)
                    taken = [Slice(slice=name, where="true") for name in found]
                    line = write_line([attribute.name, value], predicate, taken, "chat")
                    found[yaml.safe_load(line)[0]["slice"]] = (line, set(members))
    return found


def test_the_line_of_a_slice_keeps_its_traces(scratch: Scratch, tmp_path: Path) -> None:
    """Pasted into the catalog, every slice that a search may find has the same traces."""
    for n in range(90):
        odd = json.dumps({ODD: f"{ODD} {n % 2}", "a/b~c": n % 3, "tier": ["free", None][n % 2]})
        scratch.fill("traces", make_trace(
            f"t{n:02}", f"s{n // 4}" if n % 9 else None, input="Straße 1 " * (n % 30),
            output="x" * n * 40, metadata=odd if n % 10 else "not json", prompt_version=f"v{n % 2}",
            ts=f"2026-10-08T09:{n % 60:02}:00Z",
        ))  # fmt: skip
        scratch.fill("requests", {
            "date": "2026-10-08", "app": "chat", "trace_id": f"t{n:02}",
            "topic": ["it's", "Straße, \"x\""][n % 2], "input_language": ["de", "unknown"][n % 2],
        })  # fmt: skip
    expected = list_attribute_members(scratch)
    assert {"a-b-c-1", "turn-2", "turn-3-to-5", "input-length-41-to-160"} <= set(expected)
    text = "\n".join(line for line, _ in expected.values())
    (tmp_path / "catalog.yaml").write_text("{}")
    (tmp_path / "slices.yaml").write_text(text, encoding="utf-8")
    catalog = load_catalog(tmp_path)
    scratch.fill("slices", *(row._asdict() for row in list_slice_rows(catalog)))
    scratch.build_without_errors("slices")
    kept = {name: list_members(scratch, name) for name in expected}
    assert kept == {name: members for name, (_, members) in expected.items()}
