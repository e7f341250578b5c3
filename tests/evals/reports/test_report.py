"""Promises of a night's report: what it concludes from counts, and what it refuses to conclude."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import jsonschema
import pytest

from evals.records import digest, encode_canonical
from evals.reports.decide.rows import Paid
from evals.reports.pooling import pool_reports
from evals.reports.report import build_refused_report, load_schema
from evals.reports.row_counts import Accounting, ReasonCount
from evals.specs import App, Dimension, Evaluator, Gate
from evals.statistics import wilson_interval
from tests.evals.reports.night_rows import Night, build, report_of

TONIGHT = date(2026, 10, 8)
APP = App(app="chat", title="Chat", suite="chat")
Row = dict[str, Any]


def rate(passed: int, failed: int, **changes: Any) -> Row:
    """A row of rpt_rates with each trace its own session."""
    n = passed + failed
    row = {
        "date": TONIGHT,
        "app": "chat",
        "dimension": "over-refusal",
        "evaluator": "chat.over-refusal",
        "evaluator_version": "v1",
        "kind": "assertion",
        "slice": "all",
        "passed": passed,
        "failed": failed,
        "errored": 0,
        "skipped": 0,
        "sessions": n,
        "session_ss": passed * failed / n if n else 0.0,
    } | changes
    return row | {"n": n + row["errored"] + row["skipped"]}


def week(passed: int, failed: int, **changes: Any) -> list[Row]:
    """The seven nights before, alike."""
    nights = [TONIGHT - timedelta(days=d) for d in range(1, 8)]
    return [rate(passed, failed, date=night, **changes) for night in nights]


def cause(field: str, value: str | None, passed: int, failed: int, night: date = TONIGHT) -> Row:
    """A row of rpt_cause_rates."""
    return {
        "date": night,
        "app": "chat",
        "dimension": "over-refusal",
        "evaluator": "chat.over-refusal",
        "field": field,
        "value": value,
        "passed": passed,
        "failed": failed,
    }


def labelled(tp: int, fn: int, fp: int, tn: int, **changes: Any) -> Row:
    """A row of fct_agreement for the judge of the tests."""
    row = rate(0, 0, **JUDGE)
    keys = ("dimension", "evaluator", "evaluator_version")
    return {k: row[k] for k in keys} | {"tp": tp, "fn": fn, "fp": fp, "tn": tn} | changes


def dimension(name: str = "over-refusal", **changes: Any) -> dict[str, Dimension]:
    """One dimension of the suite."""
    return {name: Dimension(dimension=name, question="Is a safe request answered?", **changes)}


JUDGE = {"dimension": "helpful", "evaluator": "helpfulness", "kind": "judge"}
PROMPTS = [
    *(cause("prompt_version", "v2", 50, 5, TONIGHT - timedelta(days=d)) for d in range(1, 8)),
    cause("prompt_version", "v3", 150, 50),
]
BASE = Night(
    date=TONIGHT,
    app=APP,
    suite="chat",
    rates=[rate(150, 50)],
    dimensions=dimension(),
    history=week(182, 18),
    versions={TONIGHT - timedelta(days=1): "0123456789abcdef"},
    cause_rates=PROMPTS,
    provenance=[
        {"field": "model", "value": "m-1", "n": 120},
        {"field": "model", "value": None, "n": 80},
    ],
    history_provenance=[
        {"date": TONIGHT - timedelta(days=d), "field": "model", "value": value, "n": n}
        for d in range(1, 8)
        for value, n in (("m-1", 118), (None, 82))
    ],
    accounting=Accounting(
        read=210,
        accepted=200,
        duplicate=4,
        quarantined=6,
        reasons=(ReasonCount("not-json", 6),),
    ),
    cost=Paid(usd=0.1, calls=3, tokens_in=10, tokens_out=4),
)


def built(night: Night) -> dict[str, Any]:
    """The body, valid by the published schema and sealed by its own digest."""
    body = build(night)
    jsonschema.validate(body, load_schema(), jsonschema.Draft202012Validator)
    assert body["version"] == digest({k: v for k, v in body.items() if k != "version"})
    return body


def only(body: dict[str, Any], **match: Any) -> Row:
    """The one result that matches."""
    matches = [r for r in body["results"] if all(r[k] == v for k, v in match.items())]
    assert len(matches) == 1
    return matches[0]


def test_the_schema_is_one() -> None:
    """The published schema is valid JSON Schema 2020-12 and refuses what is not a report."""
    jsonschema.Draft202012Validator.check_schema(load_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(build(BASE) | {"clock": 1}, load_schema())


def test_a_drop_is_found_with_its_cause() -> None:
    """A fall from 91% to 75% when the prompt changed is in the first line with its cause."""
    body = built(BASE)
    assert body["verdict"] == "slipped"
    assert body["sentence"] == "Slipped: over-refusal 91% → 75% (−16 ± 6), prompt v3."
    assert body["gate"]["outcome"] == "regressed"
    causes = body["causes"]
    assert [c["cause"] for c in causes] == ["prompt_version"]
    assert causes[0]["words"].startswith("prompt v3 replaced v2 on all traces; pass rate 91%")
    assert causes[0]["after"] == [{"value": "v3", "share": 1.0}]
    change = body["changes"][0]
    assert (change["before"], change["after"], change["verdict"]) == (0.91, 0.75, "slipped")
    assert change["high"] < 0
    assert body["provenance"]["baseline"][-1]["version"] == "0123456789abcdef"


def test_a_rate_is_the_exact_ratio() -> None:
    """The rate is passed / (passed + failed) to the last digit, with Wilson's interval."""
    row = only(built(replace(BASE, rates=[rate(137, 64, errored=3, skipped=5)])))
    assert row["rate"] == 137 / 201
    assert (row["low"], row["high"]) == pytest.approx(wilson_interval(137, 201), abs=1e-8)
    assert row["n"] == 209
    assert row["coverage"] == 201 / 209


def test_causes_that_changed_together_are_confounded() -> None:
    """Prompt and model that change on one night are both named as confounded."""
    models = [
        *(cause("model", "m-1", 50, 5, TONIGHT - timedelta(days=d)) for d in range(1, 8)),
        cause("model", "m-2", 150, 50),
    ]
    body = built(replace(BASE, cause_rates=[*PROMPTS, *models]))
    assert [c["cause"] for c in body["causes"]] == ["model", "prompt_version"]
    assert all("confounded" in c["words"] for c in body["causes"])
    assert body["sentence"].endswith("model m-2 and prompt v3.")


def test_without_a_change_the_cause_is_unknown() -> None:
    """Nothing recorded moved: the report does not guess."""
    body = built(replace(BASE, cause_rates=()))
    assert [c["cause"] for c in body["causes"]] == ["unknown"]
    assert body["sentence"].endswith("cause unknown.")


def test_a_field_of_ids_is_no_cause() -> None:
    """A field that is new on every trace, such as a run id, moved nothing."""
    ids = [cause("versions.run", f"r{i}", 1, 0) for i in range(200)]
    ids += [cause("versions.run", f"q{i}", 1, 0, TONIGHT - timedelta(days=1)) for i in range(200)]
    body = built(replace(BASE, cause_rates=ids))
    assert [c["cause"] for c in body["causes"]] == ["unknown"]


@pytest.mark.parametrize(
    ("easy", "named"), [((90, 10), ["versions.source"]), ((60, 40), ["unknown"])]
)
def test_a_shift_of_mix_is_a_cause_only_if_it_carries_the_change(
    easy: tuple[int, int], named: list[str]
) -> None:
    """More of a harder source explains a fall; more of an equal one does not."""
    field = "versions.source"
    yesterday = TONIGHT - timedelta(days=1)
    rows = [
        cause(field, "easy", easy[0] * 9, easy[1] * 9, yesterday),
        cause(field, "hard", 60, 40, yesterday),
        cause(field, "easy", *easy),
        cause(field, "hard", 60, 40),
    ]
    body = built(replace(BASE, cause_rates=rows))
    assert [c["cause"] for c in body["causes"]] == named


def test_a_third_errored_is_an_outage_and_never_a_score() -> None:
    """Errors stay out of the rate, nothing is concluded, and the gate is infrastructure."""
    body = built(replace(BASE, rates=[rate(120, 14, errored=66)]))
    row = only(body)
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


def test_an_unaligned_judge_decides_nothing() -> None:
    """A judge that disagrees with people is shown, and counts for neither verdict nor gate."""
    night = replace(
        BASE,
        rates=[rate(182, 18), rate(20, 180, **JUDGE)],
        history=[*week(182, 18), *week(180, 20, **JUDGE)],
        agreement=[labelled(15, 15, 20, 10)],
    )
    body = built(night)
    row = only(body, kind="judge")
    assert (row["decides"], row["aligned"], row["verdict"]) == (False, False, "not measured")
    assert row["reason"] == (
        "the judge is not aligned with human labels yet: TPR 50%, TNR 33% on 60 labels"
    )
    assert (row["estimate"], row["estimator"]) == (None, "none")
    assert (body["verdict"], body["gate"]["outcome"]) == ("held", "pass")
    assert body["changes"] == []
    assert not body["agreement"][0]["usable"]


def test_an_aligned_judge_decides_and_is_corrected() -> None:
    """A judge that agrees with people decides, with an estimate wider than its raw interval."""
    night = replace(
        BASE,
        rates=[rate(120, 80, **JUDGE)],
        history=week(180, 20, **JUDGE),
        cause_rates=(),
        agreement=[labelled(40, 2, 1, 20), labelled(50, 5, 1, 18)],
    )
    row = only(body := built(night))
    assert (row["decides"], row["aligned"], row["verdict"]) == (True, True, "slipped")
    assert row["estimator"] == "rogan-gladen"
    assert row["estimate_high"] - row["estimate_low"] > row["high"] - row["low"]
    assert body["agreement"][0]["n"] == 137
    assert only(built(replace(night, labels_random=True)))["estimator"] == "post-stratified"


def test_labels_of_another_version_align_nothing() -> None:
    """Agreement belongs to a version of a judge; the next one has to earn its own."""
    row = labelled(40, 2, 1, 40, evaluator_version="v0")
    body = built(replace(BASE, rates=[rate(120, 80, **JUDGE)], agreement=[row]))
    assert only(body)["aligned"] is False
    assert "no labels for this judge yet" in body["sentence"]
    assert body["agreement"] == []


def test_adjudicated_labels_decide_and_recorded_judges_do_not() -> None:
    """The adjudicated verdict decides; one recorded by another judge is shown beside it."""
    human, other = (
        {"evaluator": f"over-refusal.{name}", "kind": "recorded"}
        for name in ("adjudicated", "gpt4")
    )
    body = built(
        replace(
            BASE,
            rates=[rate(182, 18, **human), rate(20, 180, **other)],
            history=[*week(182, 18, **human), *week(182, 18, **other)],
        )
    )
    assert only(body, evaluator=human["evaluator"])["decides"]
    shown = only(body, evaluator=other["evaluator"])
    assert (shown["decides"], shown["verdict"], shown["rate"]) == (False, "not measured", 0.1)
    assert body["verdict"] == "held"


def test_a_small_night_is_too_close_to_call() -> None:
    """Few traces prove nothing, and the report names how many it would take."""
    body = built(replace(BASE, rates=[rate(33, 5)]))
    assert body["verdict"] == "too close to call"
    assert body["gate"]["outcome"] == "inconclusive"
    row = only(body)
    needs = int(row["reason"].removeprefix("38 answers; ").removesuffix(" would decide"))
    assert needs > 200
    assert body["sentence"] == f"Too close to call on over-refusal ({row['reason']})."
    assert row["mde"] > 0.05


def test_a_drop_too_small_to_matter_is_held() -> None:
    """On very many traces a sure fall of one point is within the gate's margin."""
    body = built(replace(BASE, rates=[rate(90_000, 10_000)], history=week(91_000, 9_000)))
    assert only(body)["p"] < 1e-6
    assert body["verdict"] == "held"


def test_conversations_widen_what_a_night_shows() -> None:
    """The same counts in a few long conversations no longer prove a drop."""
    few = rate(150, 50, sessions=6, session_ss=1500.0)
    body = built(replace(BASE, rates=[few]))
    alone = only(built(BASE))
    assert only(body)["high"] - only(body)["low"] > 2 * (alone["high"] - alone["low"])
    assert body["verdict"] == "too close to call"


def test_one_alarm_among_many_dimensions_needs_more() -> None:
    """A p of .03 slips alone, and not among ten dimensions of one night."""
    dim = {"dimension": "d0", "evaluator": "e0"}
    alone = replace(BASE, rates=[rate(172, 28, **dim)], history=week(182, 18, **dim))
    assert 0.01 < only(built(alone))["p"] < 0.05
    assert built(alone)["verdict"] == "slipped"
    others = [{"dimension": f"d{i}", "evaluator": f"e{i}"} for i in range(1, 10)]
    many = replace(
        alone,
        rates=[*alone.rates, *(rate(182, 18, **d) for d in others)],
        history=[*alone.history, *(row for d in others for row in week(182, 18, **d))],
    )
    assert only(built(many), dimension="d0")["verdict"] == "too close to call"


def test_the_first_night_has_no_baseline() -> None:
    """Nothing to compare with: not measured, and the gate is inconclusive."""
    body = built(replace(BASE, history=()))
    assert only(body)["reason"] == "no baseline yet"
    assert body["sentence"] == "Not measured: there is no earlier night to compare with yet."
    assert body["gate"]["outcome"] == "inconclusive"


@pytest.mark.parametrize(
    ("target", "verdict"), [(0.9, "slipped"), (0.75, "too close to call"), (0.6, "held")]
)
def test_the_first_night_is_held_against_its_target(target: float, verdict: str) -> None:
    """Without a baseline the target decides, if the team gave one."""
    body = built(replace(BASE, history=(), dimensions=dimension(target=target)))
    assert body["verdict"] == verdict
    if verdict == "slipped":
        assert body["sentence"] == "Slipped: over-refusal 75% is below its target of 90%."


def test_a_changed_evaluator_is_not_compared() -> None:
    """Two versions of an evaluator are two rulers, and the new ruler is named as the cause."""
    body = built(replace(BASE, history=week(182, 18, evaluator_version="v0")))
    row = only(body)
    assert (row["baseline"], row["change"]) == (None, None)
    assert body["sentence"] == "Not measured: the evaluator changed."
    assert [c["cause"] for c in body["causes"]] == ["evaluator"]


def test_the_baseline_pools_the_earlier_nights() -> None:
    """Counts add up over nights; tonight's own row in the history does not count."""
    row = only(built(replace(BASE, history=[*week(182, 18), rate(1, 199)])))
    assert row["baseline"] == {
        "rate": 0.91,
        "n": 1400,
        "from": "2026-10-01",
        "to": "2026-10-07",
    }


def test_unsampled_is_not_skipped() -> None:
    """What the sample left out lowers coverage and is no row of n."""
    key = {k: rate(1, 1)[k] for k in ("dimension", "evaluator", "evaluator_version")}
    coverage = [key | {"covered": 800, "sampled": 200}]
    part = rate(10, 10, slice="language: de")
    body = built(replace(BASE, rates=[rate(150, 50), part], coverage=coverage))
    row = only(body, slice="all")
    assert (row["n"], row["unsampled"], row["coverage"]) == (200, 600, 0.25)
    assert only(body, slice="language: de")["unsampled"] is None


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
    row = only(built(replace(BASE, evaluators=[planned])), dimension="price")
    assert (row["n"], row["rate"], row["verdict"]) == (0, None, "not measured")


def test_a_night_of_nothing_reads_well() -> None:
    """No rows and no suite still make a valid report."""
    body = built(Night(date=TONIGHT, app=App(app="new"), suite=None, rates=[]))
    assert (body["title"], body["verdict"]) == ("new", "not measured")
    assert body["sentence"] == "Not measured: no evaluator covers this application's traces."


def test_bad_slices_are_found_and_noise_is_not() -> None:
    """Of forty slices the planted one is reported, with its excess over the whole."""
    noise = [rate(37 + i % 4, 13 - i % 4, slice=f"s{i:02}") for i in range(39)]
    body = built(replace(BASE, rates=[rate(1520, 480), *noise, rate(20, 40, slice="planted")]))
    assert [s["slice"] for s in body["slices"]] == ["planted"]
    assert body["slices"][0]["excess"] == pytest.approx(0.76 - 1 / 3)
    assert body["slices"][0]["q"] < 0.001


def test_the_order_of_rows_changes_no_byte() -> None:
    """The same rows in any order are the same report, version included."""
    parts = [rate(20 + i, 20, slice=f"s{i}", session_ss=0.1 * i, sessions=7) for i in range(9)]
    rows = {
        "rates": [rate(150, 50, sessions=90, session_ss=71.7), *parts, rate(9, 1, **JUDGE)],
        "history": week(182, 18, sessions=70, session_ss=33.1),
        "cause_rates": PROMPTS,
        "provenance": BASE.provenance,
        "history_provenance": BASE.history_provenance,
        "agreement": [labelled(4, 5, 6, 7), labelled(1, 2, 3, 4)],
        "failures": [
            {**rate(1, 1), "status": "error", "code": code, "n": 2}
            for code in ("timeout", "b", "a")
        ],
    }
    first = encode_canonical(built(replace(BASE, **rows)))
    for seed in range(20):
        chance = random.Random(seed)
        mixed = {name: chance.sample(list(values), len(values)) for name, values in rows.items()}
        assert encode_canonical(build(replace(BASE, **mixed))) == first


def test_any_change_of_a_figure_is_another_version() -> None:
    """One trace more is another report."""
    assert build(BASE)["version"] != build(replace(BASE, rates=[rate(151, 50)]))["version"]


def test_a_rise_is_held_and_in_the_first_line() -> None:
    """A sure rise is no alarm, and the first line has it with its cause."""
    body = built(replace(BASE, rates=[rate(198, 2)]))
    assert body["verdict"] == "held"
    assert (
        body["sentence"]
        == "Held on over-refusal; up: over-refusal 91% → 99% (+8, +5 to +10), prompt v3."
    )


def test_the_gate_watches_what_it_names() -> None:
    """Dimensions outside the gate, and those the suite takes out, decide nothing."""
    named = App(app="chat", suite="chat", gate=Gate(dimensions=("price",)))
    assert not only(built(replace(BASE, app=named)))["decides"]
    out = built(replace(BASE, dimensions=dimension(gate=False)))
    assert (only(out)["decides"], only(out)["verdict"]) == (False, "slipped")
    assert out["sentence"] == "Not measured: no evaluator may decide."


def test_nights_pool_their_counts() -> None:
    """Pooled reports give one rate: that of the summed counts."""
    later = TONIGHT + timedelta(days=1)
    second = rate(100, 100, date=later, errored=4)
    (row,) = pool_reports([report_of(BASE), report_of(replace(BASE, date=later, rates=[second]))])
    assert (row.passed, row.failed, row.errored, row.nights) == (250, 150, 4, 2)
    assert row.rate == 250 / 400
    assert (row.low, row.high) == pytest.approx(wilson_interval(250, 400), abs=1e-6)
    assert (row.first, row.last) == (TONIGHT, later)


def test_pooled_bodies_keep_their_conversations() -> None:
    """Intervals widened by conversations stay wide when reports are pooled."""
    long = [
        rate(150, 50, date=night, sessions=20, session_ss=300.0)
        for night in (TONIGHT, TONIGHT + timedelta(days=1))
    ]
    (row,) = pool_reports(report_of(replace(BASE, date=one["date"], rates=[one])) for one in long)
    plain = wilson_interval(300, 400)
    assert row.low is not None
    assert row.high is not None
    assert row.high - row.low > 1.5 * (plain.high - plain.low)


def test_one_night_is_pooled_once() -> None:
    """Two versions of a night, or two applications, are refused; a refused night adds nothing."""
    report, later = report_of(BASE), TONIGHT + timedelta(days=1)
    with pytest.raises(ValueError, match="one version of each night"):
        pool_reports([report, report])
    with pytest.raises(ValueError, match="one application"):
        pool_reports([report, report_of(replace(BASE, date=later, app=App(app="other")))])
    gone = build_refused_report(Night(later, APP, None), "Rubbish.")
    assert pool_reports([report, gone])[0].nights == 1


def test_an_unequal_sample_is_weighted_back_to_the_night() -> None:
    """The rate stays what was counted; the estimate is the night's, with its own interval."""
    row = rate(50, 50, weighted_rate=0.8, weighted_variance=0.0025)
    (result,) = (r for r in build(Night(TONIGHT, APP, "chat", [row]))["results"] if r["n"])
    assert (result["rate"], result["estimator"]) == (0.5, "weighted")
    assert result["estimate"] == pytest.approx(0.8)
    assert result["estimate_high"] - result["estimate_low"] == pytest.approx(0.19, abs=0.02)


def test_calls_without_a_known_price_cost_an_unknown_sum() -> None:
    """No price is not a price of nothing."""
    paid = Paid(usd=0.0, calls=4, unpriced=4, tokens_in=10, tokens_out=2)
    body = build(Night(TONIGHT, APP, "chat", [rate(9, 1)], cost=paid))
    jsonschema.validate(body, load_schema())
    assert (body["cost"]["usd"], body["cost"]["unpriced"]) == (None, 4)
    partly = Night(TONIGHT, APP, "chat", [rate(9, 1)], cost=paid._replace(unpriced=1))
    assert build(partly)["cost"]["usd"] == 0.0
