"""Promises of alarms: an answer from another model is seen, reported, and never a score."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from evals.models import FAULTS
from evals.records import digest
from evals.reports import night_data
from evals.reports.decide.outages import Unscored, find_outage
from evals.reports.decide.rows import FailureCount, read_rows
from evals.reports.section import Parts
from evals.reports.sections.alarms import Alarm, Facts, build, read_answering
from evals.reports.sections.provenance import AnsweredBy, describe_evaluator
from evals.specs import Evaluator, Judge, ModelPin, load_catalog
from tests.evals.models.model_server import ServerReply, build_completion, serve_script
from tests.evals.runs.test_runner import NIGHT, Bench, build_traces

JUDGE = Judge(judge="j", asks="?", model="m", system="s")


def build_evaluator(model: str = "gpt-4.1-mini-2025-04-14", **keys: Any) -> Evaluator:
    """A judge by its pin."""
    pin = ModelPin(name="m", model=model, **keys)
    about = {"name": "j", "app": "a", "dimension": "d", "question": "?", "version": digest(model)}
    return Evaluator.model_validate(
        about | {"kind": "judge", "check": "judge", "pin": pin, "judge": JUDGE}
    )


def by(model: str, n: int = 3) -> dict[str, Any]:
    """A row of who answered."""
    return {"evaluator": "j", "model": model, "fingerprint": "fp", "n": n}


def alarms(
    evaluators: list[Evaluator],
    now: list[dict[str, Any]],
    before: list[dict[str, Any]],
    failed: list[dict[str, Any]],
) -> tuple[Alarm, ...]:
    """The alarms of a night of judges."""
    failures = read_rows(FailureCount, [{"dimension": "d", "status": "error", **f} for f in failed])
    who = (read_answering(now), read_answering(before))
    facts = Facts(tuple(evaluators), *who, tuple(failures), reasons=FAULTS)
    return build(facts, Parts())


def test_another_model_than_the_pin_is_an_alarm() -> None:
    """It names both models and how many traces have no score for it."""
    failed = [
        {"evaluator": "j", "code": "other-model", "n": 3},
        {"evaluator": "j", "code": "x", "n": 1},
    ]
    (alarm,) = alarms([build_evaluator()], [by("gpt-4.2")], [], failed)
    assert (alarm.code, alarm.evaluator, alarm.n) == ("other-model", "j", 3)
    assert "gpt-4.2 answered, the pin is gpt-4.1-mini-2025-04-14" in alarm.words


def test_other_weights_than_the_pin_are_an_alarm() -> None:
    """The alarm names the file, and no call was made."""
    failed = [{"evaluator": "j", "code": "other-weights", "n": 1}]
    (alarm,) = alarms([build_evaluator("w.gguf", sha256="0" * 64)], [], [], failed)
    assert (alarm.code, alarm.n) == ("other-weights", 1)
    assert alarm.words == "1 trace has no score from j: w.gguf is not the pinned file"


def test_a_pin_that_a_team_moved_is_no_alarm() -> None:
    """The new pin answers under its own name: what changed is in the report's causes."""
    now, before = [by("gpt-4.1-mini-2025-04-14")], [by("gpt-4o-2024-08-06")]
    assert alarms([build_evaluator()], now, before, []) == ()


def test_a_model_that_changed_behind_its_name_is_an_alarm() -> None:
    """Between two nights, where the policy lets an alias run; a first night has none before."""
    floating = build_evaluator("gpt-4o", pins="record")
    now, before = [by("gpt-4o-2024-11-20", 5)], [by("gpt-4o-2024-08-06")]
    (alarm,) = alarms([floating], now, before, [])
    assert (alarm.code, alarm.n) == ("model-changed", 5)
    assert alarms([floating], now, now, []) == ()
    assert alarms([floating], now, [], []) == ()


def test_every_report_is_stamped_with_what_an_id_promises() -> None:
    """Class, reason and who answered; an evaluator without a model has none of it."""
    answering = read_answering([by("gpt-6-sol")])
    described = describe_evaluator(build_evaluator("gpt-6-sol"), answering, {})
    assert described.pin
    assert described.pin.promise == "unverifiable"
    assert described.answered_by == (AnsweredBy("gpt-6-sol", "fp", 3),)
    plain = build_evaluator().model_copy(update={"pin": None, "judge": None})
    assert describe_evaluator(plain, read_answering([by("x")]), {}).pin is None


@pytest.mark.parametrize("policy", ["strict", "record"])
def test_who_answered_is_read_from_the_ledger(tmp_path: Path, policy: str) -> None:
    """Under `record` the alias's answers are scores, under `strict` each is an error row."""
    text = '{"critique": "", "verdict": "pass"}'

    def script(body: dict[str, Any], seen: int) -> ServerReply:
        return ServerReply(
            200, build_completion(body, text, model="m-9", system_fingerprint="fp_1")
        )

    with serve_script(script) as running:
        bench = Bench(tmp_path, running.url)
        path = bench.catalog.root / "models.yaml"
        path.write_text(f"m: {{model: m-1, base_url: '{running.url}', pins: {policy}}}")
        load_catalog.cache_clear()
        bench.catalog = load_catalog(bench.catalog.root)
        bench.lake.write("traces", NIGHT, build_traces("good", "fine", "good"))
        done = bench.score("kind")
    expected = (0, 3) if policy == "strict" else (3, 0)
    assert (done.passed, done.errored) == expected
    (row,) = night_data.list_answering_models(bench.lake, NIGHT, [bench.find_evaluator("kind")])
    assert row == {"evaluator": "tone", "model": "m-9", "fingerprint": "fp_1", "n": 2}
    assert bench.lake.list_nights("answers") == [date(2026, 10, 1)]


def test_a_provider_that_answered_nothing_is_an_alarm() -> None:
    """It names judge, pin, what failed most and what to do, and counts what was not asked."""
    judge = build_evaluator(base_url="http://127.0.0.1:1/v1")
    failed = [
        {"evaluator": "j", "code": "unknown-host", "n": 8},
        {"evaluator": "j", "code": "provider-down", "status": "skipped", "n": 40},
        {"evaluator": "j", "code": "no-answer", "status": "skipped", "n": 2},
    ]
    (alarm,) = alarms([judge], [], [], failed)
    assert (alarm.code, alarm.evaluator, alarm.n) == ("no-answers", "j", 48)
    assert alarm.words == (
        "48 traces have no score from j: pin m (http://127.0.0.1:1/v1): the server's name is not "
        "known; check the pin's `base_url`, and DNS; the next run asks again"
    )


@pytest.mark.parametrize(
    ("code", "status", "scored", "is_outage"),
    [
        ("server-error", "error", 0, True),
        ("server-error", "error", 9, False),
        ("not-authorised", "error", 0, True),
        ("rate-limited", "skipped", 9, True),
        ("quota-exhausted", "error", 9, True),
        ("night-deadline", "skipped", 9, False),
        ("budget", "skipped", 0, False),
        ("no-key", "skipped", 0, False),
        ("unparseable", "error", 9, False),
        ("unparseable", "error", 0, True),
        ("too-long", "error", 0, True),
    ],
)
def test_only_a_provider_s_failure_is_an_outage(
    code: str, status: str, scored: int, is_outage: bool
) -> None:
    """Single errors and skips for another reason are none; errors alone, without a verdict, are."""
    assert (find_outage([Unscored(status, code, 5)], scored) is not None) == is_outage


def test_one_answer_without_a_verdict_is_no_outage() -> None:
    """A night with a single question may meet a model that cannot answer it."""
    assert find_outage([Unscored("error", "unparseable", 2)], 0) is None
