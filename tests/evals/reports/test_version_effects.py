"""Versions as causes: of the same night, changed together, and never one that did not fall."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from evals.reports.decide.rows import StratumCount
from evals.reports.decide.version_effects import compare_versions, separate_versions
from evals.specs import Slice
from tests.evals.reports.chat_nights import (
    BASE,
    TONIGHT,
    build_valid,
    make_cause,
    make_rate,
    make_week,
)

ROW = ("over-refusal", "chat.over-refusal", "v1")


def count(passed: int, failed: int, prompt: str, model: str = "m", days: int = 0) -> StratumCount:
    """A night's verdicts on one version."""
    n, night = passed + failed, TONIGHT - timedelta(days=days)
    return StratumCount(*ROW, "", passed, failed, n, n, passed, prompt, model, "", night)


def test_a_canary_is_compared_with_the_version_beside_it() -> None:
    """A tenth of the answers that fails more is worse than the others of its night."""
    rows = [count(900, 100, "v2", days=1), count(810, 90, "v2"), count(60, 40, "v3")]
    (found,) = compare_versions(rows, TONIGHT, {ROW: 1.0})
    assert (found.field, found.old, found.new, found.nights) == ("prompt_version", "v2", "v3", 1)
    assert found.effect.value == pytest.approx(-0.3)
    assert found.p < 0.001


def test_crossed_versions_are_separated_where_answers_allow_it() -> None:
    """With each combination both effects are estimated; together only, none is."""
    rows = [
        count(90, 10, "v2", "m-1"), count(88, 12, "v2", "m-2"),
        count(70, 30, "v3", "m-1"), count(68, 32, "v3", "m-2"),
    ]  # fmt: skip
    changed = {"prompt_version": "v3", "model": "m-2"}
    effects = separate_versions(rows, changed, 1.0)
    assert effects is not None
    assert effects["prompt_version"].value == pytest.approx(-0.2)
    assert effects["model"].value == pytest.approx(-0.02)
    assert separate_versions([rows[0], rows[3]], changed, 1.0) is None


def test_what_cannot_be_told_apart_names_the_replay() -> None:
    """Prompt and model that changed on one night: the report names which answers would decide."""
    fields = (("prompt_version", "v2", "v3"), ("model", "m-1", "m-2"))
    rows = [
        make_cause(field, value, *figures)
        for field, old, new in fields
        for value, figures in (
            (old, (182, 18, TONIGHT - timedelta(days=1))), (new, (150, 50, TONIGHT)),
        )
    ]  # fmt: skip
    causes = build_valid(replace(BASE, cause_rates=rows))["causes"]
    assert len(causes) == 2
    assert all("replay the night with" in one["words"] for one in causes)


def test_a_version_whose_answers_rose_is_no_cause_of_a_fall() -> None:
    """The new prompt passes more than the old one did: it is not named for the fall."""
    rows = [
        make_cause("prompt_version", "v2", 180, 20, TONIGHT - timedelta(days=1)),
        make_cause("prompt_version", "v2", 50, 50),
        make_cause("prompt_version", "v3", 96, 4),
    ]
    (cause,) = build_valid(replace(BASE, cause_rates=rows))["causes"]
    assert cause["cause"] == "unknown"
    assert "prompt changed and did not fall with it" in cause["words"]


def test_a_new_slice_that_fails_is_a_cause() -> None:
    """A tariff that no earlier night had, and that fails, is named with its share."""
    week = [*make_week(182, 18), *make_week(182, 18, slice="tariff=basic")]
    rates = [
        make_rate(150, 50), make_rate(136, 14, slice="tariff=basic"),
        make_rate(14, 36, slice="tariff=flex"),
    ]  # fmt: skip
    slices = [Slice(slice="tariff", by="json_extract_string(metadata, '$.tariff')")]
    night = replace(BASE, rates=rates, history=week, cause_rates=(), slices=slices)
    causes = build_valid(night)["causes"]
    assert [one["cause"] for one in causes] == ["slice"]
    assert causes[0]["words"].startswith("tariff=flex is new: 25% of the answers, 28% of them")
