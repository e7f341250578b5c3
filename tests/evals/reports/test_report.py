"""Promises of a night's report: what it concludes from counts, and what it refuses to conclude."""

from __future__ import annotations

import random
from dataclasses import replace

import jsonschema
import pytest

from evals.records import encode_canonical
from evals.reports.decide.rows import Paid
from evals.reports.pages.night import render_night
from evals.reports.report import build_refused_report, load_schema
from evals.reports.row_counts import Accounting
from evals.specs import App, Evaluator, Gate, ModelPin
from evals.statistics import wilson_interval
from orchestration.cli import board
from tests.evals.reports.chat_nights import (
    APP,
    BASE,
    JUDGE,
    PROMPTS,
    TONIGHT,
    build_valid,
    find_result,
    make_agreement,
    make_dimension,
    make_rate,
    make_week,
)
from tests.evals.reports.night_rows import Night, build, report_of


def test_the_schema_is_one() -> None:
    """The published schema is valid JSON Schema 2020-12 and refuses what is not a report."""
    jsonschema.Draft202012Validator.check_schema(load_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(build(BASE) | {"clock": 1}, load_schema())


def test_a_rate_is_the_exact_ratio() -> None:
    """The rate is passed / (passed + failed) to the last digit, with Wilson's interval."""
    row = find_result(build_valid(replace(BASE, rates=[make_rate(137, 64, errored=3, skipped=5)])))
    assert row["rate"] == 137 / 201
    assert (row["low"], row["high"]) == pytest.approx(wilson_interval(137, 201), abs=1e-8)
    assert row["n"] == 209
    assert row["coverage"] == 201 / 209


def test_gold_rows_that_match_no_trace_stand_beside_the_rate() -> None:
    """A rate over a few answers is seen to leave most of the gold set out; a slice has no count."""
    rate = make_rate(2, 0, skipped=8)
    row = {key: rate[key] for key in ("dimension", "evaluator", "evaluator_version")}
    covered = {**row, "covered": 10, "sampled": 10, "gold_rows": 10, "gold_matched": 2}
    night = replace(BASE, rates=[rate, make_rate(2, 0, slice="lang=de")], coverage=[covered])
    report = report_of(night)
    whole, part = report.to_json()["results"]
    assert (whole["gold"], "gold" in part) == ({"n": 10, "unmatched": 8}, False)
    assert "8 of 10 gold rows match no trace" in render_night(report, history=[])
    (line,) = board.describe_gold(report)
    assert "8 of 10 rows of its gold set match no trace" in line
    scored = report_of(replace(night, rates=[make_rate(8, 2)]))
    assert list(board.describe_gold(scored)) == [], "each answer has its gold"
    build_valid(night)


def test_a_third_errored_is_an_outage_and_never_a_score() -> None:
    """Errors stay out of the rate, nothing is concluded, and the gate is infrastructure."""
    body = build_valid(replace(BASE, rates=[make_rate(120, 14, errored=66)]))
    row = find_result(body)
    assert (row["rate"], row["errored"], row["n"]) == (120 / 134, 66, 200)
    assert row["verdict"] == "not measured"
    assert row["reason"] == "66 of 200 errored (33%)"
    assert body["gate"]["outcome"] == "infrastructure"
    assert body["sentence"] == "Not measured: 66 of 200 errored (33%)."


def test_a_refused_night_measures_nothing() -> None:
    """A refusal is a report of its own: no result, the reason, and the counts."""
    counts = Accounting(read=100, accepted=55, duplicate=0, quarantined=45, reasons=())
    body = build_refused_report(
        Night(TONIGHT, APP, None, accounting=counts), "45 of 100 rows were refused."
    ).to_json()
    jsonschema.validate(body, load_schema(), jsonschema.Draft202012Validator)
    assert body["status"] == "refused"
    assert body["refusal"]["quarantined"] == 45
    assert (body["verdict"], body["gate"]["outcome"]) == ("not measured", "infrastructure")
    assert body["results"] == []
    assert "45 of 100" in body["sentence"]


def test_a_small_night_is_too_close_to_call() -> None:
    """Few traces prove nothing, and the report names how many it would take."""
    body = build_valid(replace(BASE, rates=[make_rate(33, 5)]))
    assert body["verdict"] == "too close to call"
    assert body["gate"]["outcome"] == "inconclusive"
    row = find_result(body)
    needs = int(row["reason"].removeprefix("38 answers; ").removesuffix(" would decide"))
    assert needs > 200
    assert body["sentence"] == f"Too close to call on over-refusal ({row['reason']})."
    assert row["mde"] > 0.05


def test_a_drop_too_small_to_matter_is_held() -> None:
    """On very many traces a sure fall of one point is within the gate's margin."""
    body = build_valid(
        replace(BASE, rates=[make_rate(90_000, 10_000)], history=make_week(91_000, 9_000))
    )
    assert find_result(body)["p"] < 1e-6
    assert body["verdict"] == "held"


def test_conversations_widen_what_a_night_shows() -> None:
    """The same counts in a few long conversations no longer prove a drop."""
    few = make_rate(150, 50, sessions=6, session_ss=1500.0)
    body = build_valid(replace(BASE, rates=[few]))
    alone = find_result(build_valid(BASE))
    assert find_result(body)["high"] - find_result(body)["low"] > 2 * (alone["high"] - alone["low"])
    assert body["verdict"] == "too close to call"


def test_one_alarm_among_many_dimensions_needs_more() -> None:
    """A p of .03 is a clear drop alone, and not among ten dimensions of one night."""
    dim = {"dimension": "d0", "evaluator": "e0"}
    alone = replace(BASE, rates=[make_rate(172, 28, **dim)], history=make_week(182, 18, **dim))
    assert 0.01 < find_result(build_valid(alone))["p"] < 0.05
    assert find_result(build_valid(alone))["reason"].endswith(
        "that may be how nights differ: the evidence for an incident is 2.2 of 4.8"
    )
    others = [{"dimension": f"d{i}", "evaluator": f"e{i}"} for i in range(1, 10)]
    many = replace(
        alone,
        rates=[*alone.rates, *(make_rate(182, 18, **d) for d in others)],
        history=[*alone.history, *(row for d in others for row in make_week(182, 18, **d))],
    )
    assert find_result(build_valid(many), dimension="d0")["reason"].endswith("would decide")


def test_the_first_night_has_no_baseline() -> None:
    """Nothing to compare with: not measured, and the gate is inconclusive."""
    body = build_valid(replace(BASE, history=()))
    assert find_result(body)["reason"] == "no baseline yet"
    assert body["sentence"] == "Not measured: there is no earlier night to compare with yet."
    assert body["gate"]["outcome"] == "inconclusive"


@pytest.mark.parametrize(
    ("target", "verdict"), [(0.9, "slipped"), (0.75, "too close to call"), (0.6, "held")]
)
def test_the_first_night_is_held_against_its_target(target: float, verdict: str) -> None:
    """Without a baseline the target decides, if the team gave one."""
    body = build_valid(replace(BASE, history=(), dimensions=make_dimension(target=target)))
    assert body["verdict"] == verdict
    if verdict == "slipped":
        assert body["sentence"] == "Slipped: over-refusal 75% is below its target of 90%."


def test_a_changed_evaluator_is_not_compared() -> None:
    """Two versions of an evaluator are two rulers, and the new ruler is named as the cause."""
    body = build_valid(replace(BASE, history=make_week(182, 18, evaluator_version="v0")))
    row = find_result(body)
    assert (row["baseline"], row["change"]) == (None, None)
    assert body["sentence"] == "Not measured: the evaluator changed."
    assert [c["cause"] for c in body["causes"]] == ["evaluator"]


def test_the_baseline_pools_the_earlier_nights() -> None:
    """Counts add up over nights; tonight's own row in the history does not count."""
    row = find_result(build_valid(replace(BASE, history=[*make_week(182, 18), make_rate(1, 199)])))
    assert row["baseline"] == {
        "rate": 0.91,
        "n": 1400,
        "from": "2026-10-01",
        "to": "2026-10-07",
    }


def test_unsampled_is_not_skipped() -> None:
    """What the sample left out lowers coverage and is no row of n."""
    key = {k: make_rate(1, 1)[k] for k in ("dimension", "evaluator", "evaluator_version")}
    coverage = [key | {"covered": 800, "sampled": 200}]
    part = make_rate(10, 10, slice="language: de")
    body = build_valid(replace(BASE, rates=[make_rate(150, 50), part], coverage=coverage))
    row = find_result(body, slice="all")
    assert (row["n"], row["unsampled"], row["coverage"]) == (200, 600, 0.25)
    assert find_result(body, slice="language: de")["unsampled"] is None


def test_an_evaluator_that_met_no_trace_is_shown() -> None:
    """A planned evaluator without a row is a row of zeros and a reason, not an omission."""
    planned = Evaluator(
        name="chat.price",
        app="chat",
        dimension="price",
        question="?",
        kind="assertion",
        check="contains",
        version="v1",
    )
    row = find_result(build_valid(replace(BASE, evaluators=[planned])), dimension="price")
    assert (row["n"], row["rate"], row["verdict"]) == (0, None, "not measured")


def test_answers_by_a_judge_s_own_family_are_counted() -> None:
    """Traces of any model of the judge's family count, those of others and without a model not."""
    pin = ModelPin(name="j", model="gpt-4o-2024-08-06", base_url="http://127.0.0.1:1/v1")
    judge = Evaluator(name="tone", app="chat", dimension="tone", question="?", kind="judge",
                      check="judge", version="v1", pin=pin)  # fmt: skip
    models = (("gpt-5-mini", 70), ("openai/o3", 5), ("claude-opus-4", 20), (None, 5))
    traces = [{"field": "model", "value": name, "n": n} for name, n in models]
    body = build_valid(replace(BASE, evaluators=[judge], provenance=traces))
    assert body["provenance"]["evaluators"][0]["own_family"] == 75


def test_a_night_of_nothing_reads_well() -> None:
    """No rows and no suite still make a valid report."""
    body = build_valid(Night(date=TONIGHT, app=App(app="new"), suite=None, rates=[]))
    assert (body["title"], body["verdict"]) == ("new", "not measured")
    assert body["sentence"] == "Not measured: no evaluator covers this application's traces."


def test_the_order_of_rows_changes_no_byte() -> None:
    """The same rows in any order are the same report, version included."""
    parts = [make_rate(20 + i, 20, slice=f"s{i}", session_ss=0.1 * i, sessions=7) for i in range(9)]
    rows = {
        "rates": [
            make_rate(150, 50, sessions=90, session_ss=71.7),
            *parts,
            make_rate(9, 1, **JUDGE),
        ],
        "history": make_week(182, 18, sessions=70, session_ss=33.1),
        "cause_rates": PROMPTS,
        "provenance": BASE.provenance,
        "history_provenance": BASE.history_provenance,
        "agreement": [make_agreement(4, 5, 6, 7), make_agreement(1, 2, 3, 4)],
        "failures": [
            {**make_rate(1, 1), "status": "error", "code": code, "n": 2}
            for code in ("timeout", "b", "a")
        ],
    }
    first = encode_canonical(build_valid(replace(BASE, **rows)))
    for seed in range(20):
        chance = random.Random(seed)
        mixed = {name: chance.sample(list(values), len(values)) for name, values in rows.items()}
        assert encode_canonical(build(replace(BASE, **mixed))) == first


def test_any_change_of_a_figure_is_another_version() -> None:
    """One trace more is another report."""
    assert build(BASE)["version"] != build(replace(BASE, rates=[make_rate(151, 50)]))["version"]


def test_a_rise_is_held_and_in_the_first_line() -> None:
    """A sure rise is no alarm, and the first line has it with its cause."""
    body = build_valid(replace(BASE, rates=[make_rate(198, 2)]))
    assert body["verdict"] == "held"
    assert (
        body["sentence"]
        == "Held on over-refusal; up: over-refusal 91% → 99% (+8, +5 to +10), prompt v3."
    )


def test_the_gate_watches_what_it_names() -> None:
    """Dimensions outside the gate, and those the suite takes out, decide nothing."""
    named = App(app="chat", suite="chat", gate=Gate(dimensions=("price",)))
    assert not find_result(build_valid(replace(BASE, app=named)))["decides"]
    out = build_valid(replace(BASE, dimensions=make_dimension(gate=False)))
    assert (find_result(out)["decides"], find_result(out)["verdict"]) == (False, "slipped")
    assert out["sentence"] == "Not measured: no evaluator may decide."


def test_an_unequal_sample_is_weighted_back_to_the_night() -> None:
    """The rate stays what was counted; the estimate is the night's, with its own interval."""
    row = make_rate(50, 50, weighted_rate=0.8, weighted_variance=0.0025)
    (result,) = (r for r in build(Night(TONIGHT, APP, "chat", [row]))["results"] if r["n"])
    assert (result["rate"], result["estimator"]) == (0.5, "weighted")
    assert result["estimate"] == pytest.approx(0.8)
    assert result["estimate_high"] - result["estimate_low"] == pytest.approx(0.19, abs=0.02)


def test_calls_without_a_known_price_cost_an_unknown_sum() -> None:
    """No price is not a price of nothing."""
    paid = Paid(usd=0.0, calls=4, unpriced=4, tokens_in=10, tokens_out=2)
    body = build(Night(TONIGHT, APP, "chat", [make_rate(9, 1)], cost=paid))
    jsonschema.validate(body, load_schema())
    assert (body["cost"]["usd"], body["cost"]["unpriced"]) == (None, 4)
    partly = Night(TONIGHT, APP, "chat", [make_rate(9, 1)], cost=paid._replace(unpriced=1))
    assert build(partly)["cost"]["usd"] == 0.0
