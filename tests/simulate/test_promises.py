"""Promises of the board's alarms in a few simulated worlds; `make simulate` measures them all."""

from __future__ import annotations

import pytest

from evals.specs.review import ReviewQueue
from tests.simulate import bridges, intervals, judges, promises, queues
from tests.simulate.causes import CauseWorld, measure_reports
from tests.simulate.slices import SliceWorld, measure_world
from tests.simulate.worlds import Change, World


def test_boards_without_a_change_rarely_page() -> None:
    """At most a tenth of a few boards of 30 series pages in 90 nights."""
    assert promises.share_falsely_paged(World(traces=200), seed=3, boards=30, first=35) <= 0.1


def test_a_drop_of_15_points_pages_within_three_nights() -> None:
    """The median board of 100 traces a night finds it in one dimension."""
    world = World(traces=100, spread=0.03, nights=70)
    assert promises.measure_delay(world, Change((2,), 0.15, 60), seed=3, boards=20).median <= 3


def test_a_drop_that_lasts_is_open_on_night_60() -> None:
    """All boards remember it for 60 nights; one that ends is over within the week."""
    world = World(traces=200, applications=1, nights=121)
    opened, still = promises.share_remembered(world, Change((2,), 0.15, 60), 3, 8, after=60)
    assert (opened, still) == (1, 1)
    over = Change((2,), 0.15, 60, until=75)
    assert promises.measure_recovery(World(traces=200, applications=1, nights=90), over, 3, 8) <= 7


@pytest.mark.parametrize("rate", [0.8, 0.95, 0.98])
def test_intervals_of_sessions_cover_the_rate(rate: float) -> None:
    """With 30 sessions of ten rows 93 to 97 of 100 intervals contain it."""
    assert 0.93 <= intervals.cover_sessions(rate, 30, seed=3, nights=2000) <= 0.97


def test_a_budget_stop_shows_the_rate_of_all_answers() -> None:
    """Where 40% were paid before and all pass, a quarter of the others shows the true rate."""
    stopped = intervals.stop_budget(1000, 0.25, seed=3, nights=500)
    assert abs(stopped.rate - intervals.TRUE) <= 0.002
    assert stopped.coverage >= 0.93


def test_a_slice_is_found_and_chance_is_not() -> None:
    """In a few nights of 5,000 traces every slice of 20 points is found, and none without one."""
    found = measure_world(SliceWorld(planted=2, by=0.2), seed=3, nights=4)
    assert (found.found, found.false) == (1, 0)
    clustered = SliceWorld(session=10, correlation=0.3, shares_attributes=True)
    for world in (SliceWorld(fails=0.02), clustered):
        assert measure_world(world, seed=3, nights=4).false == 0


def test_labels_of_a_queue_show_the_judge_and_the_rate() -> None:
    """Of a judge with TPR .95 they show .92 and more, and intervals that cover its rates."""
    shown = judges.show_judge(judges.Judge(0.95, 0.95, traces=1000, queue=200), 3, 100)
    assert shown.tpr >= 0.92 > shown.tpr_of_labels
    assert shown.tpr_covered >= 0.88
    assert min(shown.rate_covered, shown.moved_covered) >= 0.93
    assert shown.rate_width <= 0.085


@pytest.mark.parametrize("judge", queues.JUDGES)
def test_labels_of_a_queue_with_every_reason_show_the_true_rate(judge: str) -> None:
    """However good the judge, a queue with a small floor is unbiased and its intervals cover."""
    spec = ReviewQueue(size=200, floor=0.2)
    shown = queues.show_queue(spec, queues.JUDGES[judge], 0.1, seed=3, nights=60, traces=1000)
    assert shown.shown >= 0.9
    assert shown.bias == pytest.approx(0, abs=0.03)
    assert (shown.covered or 0) >= 0.88
    assert (abs(shown.plain_bias) >= 0.03) is (judge != "poor")


def test_weak_judges_are_rarely_aligned_and_good_ones_are() -> None:
    """At most a sixth of judges of .78 passes a look, and nearly all of .9 do."""
    assert judges.share_aligned(0.78, seed=3, judges=200) <= 1 / 6
    assert judges.share_aligned(0.9, seed=3, judges=50) >= 0.98


def test_traffic_is_no_slip_and_a_canary_is_found() -> None:
    """A new mix beside a new prompt blames nothing; a tenth that fails more shows on night 1."""
    mixed = measure_reports(CauseWorld(hard=0.5, prompt=1, nights=1), seed=3, worlds=6)
    assert (mixed.slipped, mixed.blamed) == (0, 0)
    canary = CauseWorld(prompt=0.1, prompt_by=0.3, nights=1)
    assert measure_reports(canary, seed=3, worlds=4).compared == 1


def test_a_prompt_beside_which_all_fell_is_rarely_blamed() -> None:
    """It came to half of the answers on the night on which they all fell, and is as good."""
    half = measure_reports(CauseWorld(by=0.08, prompt=0.5), seed=3, worlds=8)
    assert half.slipped == 1
    assert half.blamed <= 1 / 4


def test_a_fall_beside_a_changed_judge_is_found_and_the_change_alone_is_none() -> None:
    """A drop of 15 points in the night of the change slips; without it none of a few does."""
    strict = bridges.Side(0.88, 0.97)
    fallen = bridges.JudgeWorld(after=strict, by=0.15)
    assert bridges.measure_reports(fallen, seed=3, worlds=6).slipped >= 5 / 6
    alone = bridges.measure_reports(bridges.JudgeWorld(after=strict, nights=1), seed=3, worlds=8)
    assert (alone.slipped, alone.application_fell) == (0, 0)
