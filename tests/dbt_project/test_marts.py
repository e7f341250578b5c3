"""The marts as promises: what dbt makes of a small lake, figure by figure.

What intervals and tests make of these counts is promised with the statistics.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import pytest
import yaml

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

PROJECT = Path(__file__).parents[2] / "dbt_project"
SOURCES = PROJECT / "models" / "staging" / "_sources.yml"
NIGHT = "2026-10-08"
Row = dict[str, Any]


def dbt(*args: str, manifest: Manifest | None = None) -> Any:
    """One dbt command in this process, every warning an error."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    quiet = ("--quiet", "--warn-error", "--no-use-colors", "--log-level-file", "none")
    where = ("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT))
    result = dbtRunner(manifest=manifest).invoke([*quiet, *args, *where])
    DuckDBConnectionManager.close_all_connections()
    return result


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manifest]:
    """The project, parsed once for every scratch database."""
    folder = tmp_path_factory.mktemp("dbt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_TARGET_PATH", str(folder / "target"))
        patch.setenv("DBT_LOG_PATH", str(folder / "logs"))
        patch.setenv("ANDON_SCRATCH", str(folder / "andon.duckdb"))
        result = dbt("parse", "--no-partial-parse")
        assert result.success, result.exception
        yield result.result


class Scratch(NamedTuple):
    """A run's scratch database, and the parsed project that builds in it."""

    path: Path
    manifest: Manifest

    def fill(self, table: str, *rows: Row) -> None:
        """Adds rows to a lake table; a column a row leaves out is null."""
        with duckdb.connect(str(self.path)) as database:
            for row in rows:
                names, marks = ", ".join(row), ", ".join("?" * len(row))
                database.execute(
                    f"insert into lake.{table} ({names}) values ({marks})",  # noqa: S608 ours
                    list(row.values()),
                )

    def build(self, selector: str, *options: str) -> dict[str, str]:
        """Builds and tests one pass: status by node name."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ANDON_SCRATCH", str(self.path))
            command = ("build", "--selector", selector, *options)
            outcome = dbt(*command, manifest=self.manifest)
        assert outcome.result is not None, outcome.exception
        return {result.node.name: str(result.status) for result in outcome.result}

    def builds(self, *selectors: str) -> None:
        """Builds passes, unit tests left out; something ran and all of it is well."""
        for selector in selectors:
            statuses = self.build(selector, "--exclude-resource-type", "unit_test")
            assert statuses
            assert set(statuses.values()) <= {"success", "pass", "no-op"}, statuses

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with duckdb.connect(str(self.path)) as database:
            return database.execute(query).fetchall()


def empty(folder: Path, manifest: Manifest) -> Scratch:
    """An empty lake with the columns and types the sources declare."""
    path = folder / "andon.duckdb"
    declared = yaml.safe_load(SOURCES.read_text(encoding="utf-8"))["sources"][0]["tables"]
    with duckdb.connect(str(path)) as database:
        database.execute("create schema lake")
        for table in declared:
            columns = ", ".join(f"{c['name']} {c['data_type']}" for c in table["columns"])
            database.execute(f"create table lake.{table['name']} ({columns})")
    return Scratch(path, manifest)


@pytest.fixture
def scratch(parsed: Manifest, tmp_path: Path) -> Scratch:
    """An empty lake of the test's own."""
    return empty(tmp_path, parsed)


def trace(trace_id: str, session_id: str | None = None, **fields: Any) -> Row:
    """A trace of the night."""
    known: Row = {"date": NIGHT, "app": "chat", "model": "m1", "versions": '{"index": "i1"}'}
    return {**known, "trace_id": trace_id, "session_id": session_id, **fields}


def score(trace_id: str, verdict: str | None, **fields: Any) -> Row:
    """A judge's score; without a verdict, an error by timeout."""
    known: Row = {
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
    return {**known, "trace_id": trace_id, "verdict": verdict, **fields}


def label(trace_id: str, verdict: str, annotator: str, kind: str = "human") -> Row:
    """What an annotator says of a trace."""
    return {
        "date": NIGHT,
        "app": "chat",
        "trace_id": trace_id,
        "dimension": "polite",
        "verdict": verdict,
        "annotator": annotator,
        "annotator_kind": kind,
    }


def defined(slice_name: str, kind: str, expression: str, app: str = "*") -> Row:
    """A slice of the catalog."""
    return {"app": app, "slice": slice_name, "kind": kind, "expression": expression}


def members(scratch: Scratch, slice_name: str) -> set[str]:
    """Who is in a slice."""
    rows = scratch.ask("select slice, trace_id from fct_slice_members")
    return {trace_id for name, trace_id in rows if name == slice_name}


def publish_slices(scratch: Scratch, *trace_ids: str) -> None:
    """Slices as the lake lays them out of an earlier run: these traces, in `all`."""
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
    scratch = empty(tmp_path_factory.mktemp("night"), parsed)
    sessions: list[str | None] = ["s1", "s1", "s1", "s2", "s2", None, None]
    for number, session in enumerate(sessions):
        scratch.fill("traces", trace(f"t{number}", session, input=f"question {number}"))
    scratch.fill("traces", trace("t7", None, model="m2", versions="not json", input="Refund?"))
    verdicts = ["pass", "fail", "pass", "pass", "pass", "fail", None, "pass"]
    scratch.fill("scores", *(score(f"t{n}", verdict) for n, verdict in enumerate(verdicts)))
    scratch.fill("scores", score("t0", None, dimension="sql", status="skipped", code="no-gold"))
    scratch.fill(
        "labels",
        label("t0", "pass", "ann"),
        label("t1", "pass", "ann"),
        label("t2", "pass", "ann"),
        label("t2", "fail", "panel", "adjudicated"),
        label("t3", "pass", "ann"),
        label("t3", "fail", "bob"),
        label("t5", "fail", "ann"),
        label("t6", "fail", "ann"),
        label("t7", "pass", "rules", "rule"),
    )
    scratch.fill("slices", defined("model", "by", "model"), defined("refund", "keyword", "refund"))
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
    scratch.builds("slices", "quality")
    return scratch


def test_rates_count_each_status_apart_and_carry_the_clustered_sum(night: Scratch) -> None:
    """Five of seven pass; sessions' residuals are -1/7, 4/7, -5/7 and 2/7 by hand."""
    (rate,) = night.ask(
        "select n, passed, failed, errored, skipped, sessions, session_ss from rpt_rates"
        " where slice = 'all' and dimension = 'polite'"
    )
    assert rate[:6] == (8, 5, 2, 1, 0, 4)
    assert rate[6] == pytest.approx((1 + 16 + 25 + 4) / 49, abs=1e-12)
    assert night.ask(
        "select n, skipped, sessions, session_ss from rpt_rates"
        " where slice = 'all' and dimension = 'sql'"
    ) == [(1, 1, 0, None)]


def test_rates_of_a_slice_are_over_its_members_only(night: Scratch) -> None:
    """A slice by model has the rows of that model, a keyword slice those it marks."""
    rows = night.ask(
        "select slice, n, passed from rpt_rates where dimension = 'polite' order by slice"
    )
    assert rows == [("all", 8, 5), ("model=m1", 7, 4), ("model=m2", 1, 1), ("refund", 1, 1)]


def test_agreement_is_with_people_adjudicated_first_and_ties_dropped(night: Scratch) -> None:
    """One of each: t0 agrees on pass, t1 not, t2 is overruled, t5 agrees on fail."""
    assert night.ask("select tp, fn, fp, tn from fct_agreement") == [(1, 1, 1, 1)]


def test_failures_keep_errors_and_skips_apart(night: Scratch) -> None:
    """Both have a code and a count; neither is a verdict."""
    rows = night.ask("select dimension, status, code, n from rpt_failures order by status")
    assert rows == [("polite", "error", "timeout", 1), ("sql", "skipped", "no-gold", 1)]


def test_provenance_and_causes_count_free_versions_too(night: Scratch) -> None:
    """A trace whose versions are no JSON has a model and no index."""
    provenance = night.ask("select field, value, n from rpt_provenance order by all")
    assert provenance == [("model", "m1", 7), ("model", "m2", 1), ("versions.index", "i1", 7)]
    causes = night.ask("select field, value, passed, failed from rpt_cause_rates order by all")
    assert causes == [("model", "m1", 4, 2), ("model", "m2", 1, 0), ("versions.index", "i1", 4, 2)]


def test_scores_carry_what_is_known_of_their_trace(night: Scratch) -> None:
    """Session and model come from the trace; guardrail verdicts have a mart of their own."""
    query = "select session_id, model from fct_scores where trace_id = 't3'"
    assert night.ask(query) == [("s2", "m1")]
    assert night.ask("select guardrail, tripped, action from fct_verdicts") == [
        ("pii", True, "redact")
    ]


def test_only_production_counts(scratch: Scratch) -> None:
    """A replay, an experiment and an anchor stand in the ledger, and no mart has them."""
    publish_slices(scratch, "a")
    scratch.fill("traces", trace("a"))
    others = ("replay", "experiment", "anchor")
    scratch.fill("scores", score("a", "pass", origin="production"))
    scratch.fill("scores", *(score("a", "fail", origin=origin) for origin in others))
    verdict = {"date": NIGHT, "app": "chat", "trace_id": "a", "guardrail": "pii"}
    verdict |= {"evaluator_version": "g1", "tripped": True}
    scratch.fill("verdicts", *({**verdict, "origin": origin} for origin in others))
    scratch.fill("labels", *({**label("a", "fail", "ann"), "origin": o} for o in others))
    scratch.fill("labels", label("a", "pass", "ann"))
    scratch.builds("quality")
    assert scratch.ask("select subject, subject_id, origin, verdict from fct_scores") == [
        ("trace", "a", "production", "pass")
    ]
    assert scratch.ask("select n, passed from rpt_rates") == [(1, 1)]
    assert scratch.ask("select count(*) from fct_verdicts") == [(0,)]
    assert scratch.ask("select tp, fn, fp, tn from fct_agreement") == [(1, 0, 0, 0)]


def test_a_session_and_its_last_trace_are_two_subjects(scratch: Scratch) -> None:
    """A score of a session stands beside one of its last trace, under the same evaluator."""
    publish_slices(scratch, "a")
    scratch.fill("traces", trace("a", "s1"))
    scratch.fill("scores", score("a", "pass"))
    scratch.fill("scores", score("a", "fail", subject="session", subject_id="s1"))
    scratch.builds("quality")
    found = scratch.ask("select subject, subject_id, verdict from fct_scores order by all")
    assert found == [("session", "s1", "fail"), ("trace", "a", "pass")]


def test_every_unit_test_holds_and_belongs_to_a_pass(scratch: Scratch) -> None:
    """Together the passes run every unit test the project declares."""
    ran: dict[str, str] = {}
    for selector in ("slices", "quality"):
        ran.update(scratch.build(selector))
    declared = {node.name for node in scratch.manifest.unit_tests.values()}
    assert declared
    assert {name: ran.get(name) for name in declared} == dict.fromkeys(declared, "pass")


def test_an_empty_lake_builds(scratch: Scratch) -> None:
    """No trace, no slice and no score are no error, and the marts have their columns."""
    scratch.builds("slices", "quality")
    assert scratch.ask("select date, app, trace_id, slice from fct_slice_members") == []
    assert scratch.ask("select n, sessions, session_ss from rpt_rates") == []


def test_without_slices_everyone_is_in_all(scratch: Scratch) -> None:
    """`all` needs no line in the catalog."""
    scratch.fill("traces", trace("a"), trace("b", app="sql"))
    scratch.builds("slices")
    assert scratch.ask("select app, slice, kind, definition from dim_slices order by app") == [
        ("chat", "all", "all", "every trace"),
        ("sql", "all", "all", "every trace"),
    ]
    assert members(scratch, "all") == {"a", "b"}


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
"""Keyword to an input it marks, and one it does not."""


@pytest.fixture(scope="module")
def marked(parsed: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    """A slice a keyword, over the inputs of all of them and one trace without an input."""
    scratch = empty(tmp_path_factory.mktemp("keywords"), parsed)
    scratch.fill("traces", trace("no input"))
    for number, (keyword, inputs) in enumerate(KEYWORDS.items()):
        scratch.fill("traces", *(trace(text, input=text) for text in inputs))
        scratch.fill("slices", defined(f"word-{number}", "keyword", keyword))
    scratch.builds("slices")
    return scratch


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_a_keyword_is_a_whole_word_taken_literally(marked: Scratch, keyword: str) -> None:
    """Whatever a keyword holds is looked for as it stands, in any case, and never run."""
    found = members(marked, f"word-{list(KEYWORDS).index(keyword)}")
    assert found == {KEYWORDS[keyword][0]}


def test_predicates_read_the_traces_and_a_row_they_fail_on_is_left_out(scratch: Scratch) -> None:
    """A bad cast on one row costs that row the slice, not the night its report."""
    scratch.fill(
        "traces",
        trace("big", metadata='{"size": "10"}'),
        trace("small", metadata='{"size": "2"}'),
        trace("bad", metadata='{"size": "?"}'),
        trace("theirs", app="sql", metadata='{"size": "99"}'),
    )
    predicate = "cast(metadata ->> '$.size' as integer) > 5 -- a team's remark"
    scratch.fill("slices", defined("big", "where", predicate, app="chat"))
    scratch.fill("slices", defined("app's", "by", "upper(app) || '=' || model"))
    scratch.builds("slices")
    assert members(scratch, "big") == {"big"}
    assert members(scratch, "app's=SQL=m1") == {"theirs"}
    assert scratch.ask("select app, slice from dim_slices where kind = 'by' order by app") == [
        ("chat", "app's=CHAT=m1"),
        ("sql", "app's=SQL=m1"),
    ]


def test_quality_builds_alone_on_slices_the_lake_put_there(scratch: Scratch) -> None:
    """A night is rated again from published slices, without the pass that made them."""
    publish_slices(scratch, "a")
    scratch.fill("traces", trace("a"))
    scratch.fill("scores", score("a", "pass"))
    scratch.builds("quality")
    assert scratch.ask("select slice, n, passed from rpt_rates") == [("all", 1, 1)]


@pytest.mark.parametrize(
    ("row", "promise"),
    [
        (score("a", "pass", status="error"), "only_scored_rows_have_a_verdict"),
        (
            score("nowhere", "pass"),
            "relationships_fct_scores_trace_id__trace_id__ref_int_trace_facts_",
        ),
        (score("unsliced", "pass"), "every_score_is_counted_in_all"),
    ],
)
def test_a_broken_promise_fails_the_build_by_name(scratch: Scratch, row: Row, promise: str) -> None:
    """An error with a verdict, a score of no trace, and one no rate would count are found."""
    publish_slices(scratch, "a")
    scratch.fill("traces", trace("a"), trace("unsliced"))
    scratch.fill("scores", row)
    statuses = scratch.build("quality", "--exclude-resource-type", "unit_test")
    assert {name for name, status in statuses.items() if status == "fail"} == {promise}
