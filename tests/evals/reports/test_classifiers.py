"""Promises of the classifiers' section: what moved since training is found, and reported."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from evals.classifiers.cards import Card
from evals.classifiers.features import Material
from evals.classifiers.watching import Observed, compare_inputs, describe_reference, observe
from evals.reports.classifier_inputs import Inputs, watch_classifiers
from evals.reports.decide.rows import Labelled
from evals.reports.pages.evaluator import draw_curve
from evals.reports.section import Parts
from evals.reports.sections import classifiers
from evals.specs import Evaluator
from evals.storage.documents.trained_models import StoredModel, write_model
from evals.storage.lake import Lake
from evals.training import candidates
from tests.evals.training.team import NIGHT, NOW, build_catalog, write_night

EVALUATOR = Evaluator(
    name="c", app="chat", dimension="d", question="?", kind="classifier", check="classifier",
    version="v",
)  # fmt: skip


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    """The card of a classifier that learned from one night."""
    root = tmp_path_factory.mktemp("team")
    lake, catalog = Lake(root / "home").open(), build_catalog(root / "catalog")
    write_night(lake, 180)
    return candidates.train(lake, catalog, catalog.classifiers["complies"], NOW).card


def observe_answers(words: int) -> list[Observed]:
    """Observes answers of about so many words."""
    return [observe(Material("word " * (words + n % 5), ""), n % 10 / 10) for n in range(100)]


def test_answers_as_before_do_not_drift_and_longer_ones_do() -> None:
    """What moved is named; P(fail) that stayed is not."""
    reference = describe_reference(observe_answers(20))
    assert not any(one.drift.has_drifted for one in compare_inputs(reference, observe_answers(20)))
    shifts = compare_inputs(reference, observe_answers(60))
    assert {one.name for one in shifts if one.drift.has_drifted} == {"characters", "words"}
    assert compare_inputs(reference, observe_answers(20)[:40]) == []


def build(card: Card, *rows: Labelled, words: int = 20) -> classifiers.Classified:
    """Builds the section of one classifier."""
    reference = describe_reference(observe_answers(20))
    shifts = compare_inputs(reference, observe_answers(words))
    given = classifiers.Given(
        NIGHT + timedelta(days=7), [Inputs(EVALUATOR, card, shifts)], tuple(rows)
    )
    (row,) = classifiers.build(given, Parts())
    return row


def count_labels(night: date, tp: int, fn: int, fp: int, tn: int) -> Labelled:
    """Counts a night's held-out labels."""
    return Labelled("d", "c", "v", tp, fn, fp, tn, night)


def test_a_fall_of_agreement_is_found_on_later_labels_alone(card: Card) -> None:
    """Labels of the nights it learned from are left out, and those of another version."""
    later = NIGHT + timedelta(days=3)
    assert build(card).since is None
    same = build(card, count_labels(NIGHT, 0, 50, 50, 0))
    assert (same.since, same.drifted) == (None, False)
    good = build(card, count_labels(later, 40, 2, 1, 30))
    assert good.since is not None
    assert (good.since.n, good.since.fell, good.drifted) == (73, False, False)
    bad = build(card, count_labels(later, 40, 2, 20, 10))
    assert bad.since is not None
    assert (bad.since.fell, bad.drifted) == (True, True)


def test_labels_of_a_queue_that_prefers_failures_show_no_fall(card: Card) -> None:
    """Half of those that people passed it failed, but each of these represents few answers."""
    plain = count_labels(NIGHT + timedelta(days=3), 20, 20, 1, 39)
    assert (of := build(card, plain).since)
    assert of.fell
    weighted = plain._replace(
        sampled_tp=800.0, sampled_fp=40.0, sampled_fn=40.0, sampled_tn=78.0,
        sampled_pass_squares=21 * 1600.0, sampled_fail_squares=59 * 4.0,
        sampled_fp_squares=1600.0, sampled_tn_squares=39 * 4.0,
        sampled_pass_labels=21, sampled_fail_labels=59,
        judged=958, judged_weight=958.0, judged_weight_passed=840.0,
    )  # fmt: skip
    assert (of := build(card, weighted).since)
    assert (of.fell, of.n) == (False, 80)
    assert of.tpr == pytest.approx(0.95, abs=0.01)


def test_the_section_has_the_cards_figures_and_what_moved(card: Card) -> None:
    """And the page draws its curve."""
    row = build(card, words=60)
    assert row.drifted
    assert {one.name for one in row.inputs if one.drifted} == {"characters", "words"}
    assert (row.model, row.passes) == (card.model, card.data.passes)
    assert [one.name for one in row.trivial] == ["always flag", "length only", "without length"]
    marks = draw_curve(row)
    assert [mark.point.n for mark in marks] == [point.n for point in card.curve]
    assert marks[-1].x == 560
    without = build(card.model_copy(update={"held_out": None, "curve": ()}))
    assert without.held_out is None
    assert draw_curve(without) == []


def test_a_classifier_without_a_model_is_not_watched(tmp_path: Path) -> None:
    """Nor is one whose model has no card."""
    lake = Lake(tmp_path / "home").open()
    bare = EVALUATOR.model_copy(update={"params": {"model": None}})
    write_model(lake, StoredModel("c", "0123456789abcdef", {}, b""))
    bald = EVALUATOR.model_copy(update={"params": {"model": "0123456789abcdef"}})
    assert watch_classifiers(lake, NIGHT, [bare, bald, EVALUATOR]) == []
