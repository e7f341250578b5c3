"""Causes of a change: what is named, what is confounded, and what is no cause."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.evals.reports.chat_nights import BASE, PROMPTS, TONIGHT, build_valid, make_cause


def test_a_drop_is_found_with_its_cause() -> None:
    """A fall from 91% to 75% when the prompt changed is in the first line with its cause."""
    body = build_valid(BASE)
    assert body["verdict"] == "slipped"
    assert body["sentence"] == "Slipped: over-refusal 91% → 75% (−16 ± 6), since 6 Oct, prompt v3."
    assert body["gate"]["outcome"] == "regressed"
    causes = body["causes"]
    assert [c["cause"] for c in causes] == ["prompt_version"]
    assert causes[0]["words"].startswith("prompt v3 replaced v2 on all traces; pass rate 91%")
    assert causes[0]["after"] == [{"value": "v3", "share": 1.0}]
    change = body["changes"][0]
    assert (change["before"], change["after"], change["verdict"]) == (0.91, 0.75, "slipped")
    assert change["high"] < 0
    assert body["provenance"]["baseline"][-1]["version"] == "0123456789abcdef"


def test_causes_that_changed_together_are_confounded() -> None:
    """Prompt and model that change on one night are both named as confounded."""
    models = [
        *(make_cause("model", "m-1", 50, 5, TONIGHT - timedelta(days=d)) for d in range(1, 8)),
        make_cause("model", "m-2", 150, 50),
    ]
    body = build_valid(replace(BASE, cause_rates=[*PROMPTS, *models]))
    assert [c["cause"] for c in body["causes"]] == ["model", "prompt_version"]
    assert all("confounded" in c["words"] for c in body["causes"])
    assert body["sentence"].endswith("model m-2 and prompt v3.")


def test_without_a_change_the_cause_is_unknown() -> None:
    """Nothing recorded moved: the report does not guess."""
    body = build_valid(replace(BASE, cause_rates=()))
    assert [c["cause"] for c in body["causes"]] == ["unknown"]
    assert body["sentence"].endswith("cause unknown.")


def test_an_edited_gold_set_is_a_cause() -> None:
    """Answers that are compared with other right answers are not answers that became worse."""
    rate = BASE.rates[0]
    row = {key: rate[key] for key in ("dimension", "evaluator", "evaluator_version")}
    row |= {"covered": 200, "sampled": 200, "gold_rows": 9, "gold_matched": 9}
    past = [
        {**row, "gold_version": version, "date": TONIGHT - timedelta(days=days)}
        for version, days in (("old", 2), ("new", 1))
    ]
    night = replace(BASE, cause_rates=(), coverage=[{**row, "gold_version": "newer"}])
    (cause,) = build_valid(replace(night, coverage_before=past))["causes"]
    assert (cause["cause"], cause["before"], cause["after"]) == (
        "gold", [{"value": "new", "share": 1.0}], [{"value": "newer", "share": 1.0}]
    )  # fmt: skip
    for before in ([], [{**row, "date": TONIGHT - timedelta(days=1)}]):
        (cause,) = build_valid(replace(night, coverage_before=before))["causes"]
        assert cause["cause"] == "unknown", "an older Andon recorded no version"


def test_a_field_of_ids_is_no_cause() -> None:
    """A field that is new on every trace, such as a run id, moved nothing."""
    ids = [make_cause("versions.run", f"r{i}", 1, 0) for i in range(200)]
    ids += [
        make_cause("versions.run", f"q{i}", 1, 0, TONIGHT - timedelta(days=1)) for i in range(200)
    ]
    body = build_valid(replace(BASE, cause_rates=ids))
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
        make_cause(field, "easy", easy[0] * 9, easy[1] * 9, yesterday),
        make_cause(field, "hard", 60, 40, yesterday),
        make_cause(field, "easy", *easy),
        make_cause(field, "hard", 60, 40),
    ]
    body = build_valid(replace(BASE, cause_rates=rows))
    assert [c["cause"] for c in body["causes"]] == named
