"""Simulates what the docs promise of the board; prints one JSON object a line."""

from __future__ import annotations

import argparse
import itertools
import json
from dataclasses import asdict, replace

from evals.specs.review import ReviewQueue
from tests.simulate import drift, intervals, judges, promises, queues
from tests.simulate.baselines import BlessedWorld, measure_slips
from tests.simulate.bridges import JudgeWorld, Side
from tests.simulate.bridges import measure_reports as measure_judge_reports
from tests.simulate.causes import CauseWorld, measure_reports
from tests.simulate.slices import SliceWorld, measure_world
from tests.simulate.worlds import Change, World

PARTS = ("alarms", "baselines", "bridges", "causes", "drift", "judges", "queues", "slices")
QUIET = 0.03
"""The sd of a night's shock that is .01 at a rate of .12."""
NULL: dict[str, tuple[World, int]] = {
    "n 25": (World(traces=25), 35),
    "n 200": (World(traces=200), 35),
    "n 1000": (World(traces=1000), 35),
    "n 30 to 2000": (World(traces=(30, 60, 200, 500, 1000, 2000)), 35),
    "season doubled": (World(traces=200, season=0.18), 35),
    "volume halves": (World(traces=200, growth=0.5), 35),
    "correlation .3": (World(traces=200, lag=0.3), 35),
    "correlation .5": (World(traces=200, lag=0.5), 35),
    "t shocks, 5 df": (World(traces=200, tail=5), 35),
    "two slices a dimension, n 25": (World(traces=25, slices=(0.5, 0.2)), 35),
    "two slices a dimension, n 200": (World(traces=200, slices=(0.5, 0.2)), 35),
    "two slices a dimension, n 1000": (World(traces=1000, slices=(0.5, 0.2)), 35),
    "two slices a dimension, first 90 nights, n 25": (World(traces=25, slices=(0.5, 0.2)), 0),
    "two slices a dimension, first 90 nights, n 200": (World(traces=200, slices=(0.5, 0.2)), 0),
    "first 90 nights, n 25": (World(traces=25), 0),
    "first 90 nights, n 1000": (World(traces=1000), 0),
}
"""Worlds without a change, and the night from which 90 are counted."""
DROPS: dict[str, tuple[World, Change]] = {
    "+6 in one dimension, n 200": (World(traces=200), Change((2,), 0.06, 60)),
    "+6 in one dimension, n 400": (World(traces=400), Change((2,), 0.06, 60)),
    "+6 in one dimension, n 1000": (World(traces=1000), Change((2,), 0.06, 60)),
    "+6 in an application, n 200": (World(traces=200), Change((0, 1, 2, 3, 4), 0.06, 60)),
    "+15 in one dimension, n 100": (World(traces=100), Change((2,), 0.15, 60)),
    "+15 in one dimension, n 200": (World(traces=200), Change((2,), 0.15, 60)),
    "+15 from night 20, n 200": (World(traces=200), Change((2,), 0.15, 20)),
}
SLICED = {
    "no slice, fails 10%": SliceWorld(),
    "no slice, fails 2%": SliceWorld(fails=0.02),
    "no slice, fails 0.5%": SliceWorld(fails=0.005),
    "no slice, sessions of 10, correlation .3": SliceWorld(session=10, correlation=0.3),
    "no slice, the same with attributes of sessions": SliceWorld(
        session=10, correlation=0.3, shares_attributes=True
    ),
    "no slice, sessions of 50 with attributes": SliceWorld(
        session=50, correlation=0.3, shares_attributes=True
    ),
    "+20, one attribute, a quarter": SliceWorld(planted=1, by=0.2),
    "+20, one attribute, a tenth": SliceWorld(planted=1, by=0.2, values=10),
    "+20, two attributes, a sixteenth": SliceWorld(planted=2, by=0.2),
    "+10, one attribute, a quarter": SliceWorld(planted=1, by=0.1),
    "+10, one attribute, a tenth": SliceWorld(planted=1, by=0.1, values=10),
    "+10, two attributes, a sixteenth": SliceWorld(planted=2, by=0.1),
}
"""Nights of 5,000 scored traces, with a slice that fails more or without one."""
CAUSED = {
    "mix .8/.2 to .5/.5 beside a new prompt": CauseWorld(hard=0.5, prompt=1),
    "the same, 200 traces": CauseWorld(traces=200, hard=0.5, prompt=1),
    "-8 points beside a new prompt": CauseWorld(by=0.08, prompt=1),
    "-8 points and the mix": CauseWorld(by=0.08, hard=0.5, prompt=1),
    "a tenth with a new prompt that fails 30 points more": CauseWorld(prompt=0.1, prompt_by=0.3),
    "a tenth with a new prompt that is as good": CauseWorld(prompt=0.1),
    "-8 points, half by a new prompt that is as good": CauseWorld(by=0.08, prompt=0.5),
    "half with a new prompt that is as good, and the mix": CauseWorld(prompt=0.5, hard=0.5),
}
"""Nights of 1,000 traces; a fifth of the answers is of a slice that fails at 30%, not 5%."""
STRICT, LAX, WORSE = Side(0.88, 0.97), Side(0.98, 0.88), Side(0.79, 0.97)
BRIDGED: dict[str, tuple[JudgeWorld, range | None]] = {
    "a stricter judge, -15 points": (JudgeWorld(after=STRICT, by=0.15), None),
    "a laxer judge, -15 points": (JudgeWorld(after=LAX, by=0.15), None),
    "a stricter judge, -15 points, 200 traces": (
        JudgeWorld(after=STRICT, by=0.15, traces=200),
        None,
    ),
    "a stricter judge, -6 points": (JudgeWorld(after=STRICT, by=0.06, nights=7), None),
    "a stricter judge": (JudgeWorld(after=STRICT, nights=28), range(0, 28, 9)),
    "a laxer judge": (JudgeWorld(after=LAX, nights=28), range(0, 28, 9)),
    "a stricter judge, 200 traces": (
        JudgeWorld(after=STRICT, nights=28, traces=200),
        range(0, 28, 9),
    ),
    "a stricter judge, nights vary by .02": (
        JudgeWorld(after=STRICT, nights=28, spread=0.06),
        range(0, 28, 9),
    ),
    "a silent drift": (JudgeWorld(version="v1", after=WORSE, nights=21), range(0, 21, 5)),
    "-15 points under the same judge": (
        JudgeWorld(version="v1", by=0.15, nights=21),
        range(0, 21, 5),
    ),
    "nothing, the same judge": (JudgeWorld(version="v1", nights=28), range(0, 28, 9)),
}
"""Nights after a judge got another version or drifted, and those of them that are reported."""
BLESSED = {
    f"{n} answers, nights vary by {spread}": BlessedWorld(n, spread)
    for n in (200, 1000)
    for spread in (0.03, 0.06, 0.09)
} | {
    f"{n} answers, -{by * 100:g} points": BlessedWorld(n, by=by, nights=5)
    for n, by in ((200, 0.2), (200, 0.15), (1000, 0.15), (1000, 0.06))
}
"""Nights that are compared with a blessed one, at a rate of 88%; .03 are one point."""
FLOORS = (0.1, 0.2, 0.3, 0.5, 0.7)
"""The shares of a queue that are drawn at random from all answers."""
LASTING = {
    "+6, n 200": (200, 0.06),
    "+6, n 1000": (1000, 0.06),
    "+15, n 200": (200, 0.15),
    "+15, n 1000": (1000, 0.15),
}


def print_figure(**figure: object) -> None:
    """Prints one JSON object."""
    print(json.dumps(figure), flush=True)  # noqa: T201


def print_intervals(seed: int, samples: int) -> None:
    """Prints what intervals of 95% cover."""
    for sessions in (20, 40):
        for rate in (0.8, 0.95, 0.98):
            share = intervals.cover_sessions(rate, sessions, seed, samples)
            print_figure(about="coverage of sessions", rate=rate, sessions=sessions, share=share)
    for traces in (200, 1000):
        for spread in (0.0, QUIET, 2 * QUIET):
            share = intervals.cover_nights(traces, spread, seed, samples)
            print_figure(about="coverage of 7 nights", traces=traces, spread=spread, share=share)
    for asked in (0.1, 0.25, 0.5):
        stopped = intervals.stop_budget(1000, asked, seed, samples)
        print_figure(about="budget stop", asked=asked, true=intervals.TRUE, **stopped._asdict())


def print_queues(seed: int, samples: int) -> None:
    """Prints what the labels of a queue show of a night's true rate."""
    places = itertools.product(queues.JUDGES, (0.02, 0.1, 0.3), (30, 60, 120, 300), FLOORS)
    for judge, rate, size, floor in places:
        spec = ReviewQueue(size=size, floor=floor)
        shown = queues.show_queue(spec, queues.JUDGES[judge], rate, seed, samples)
        print_figure(
            about="a queue's labels", judge=judge, fails=rate, size=size, floor=floor,
            **shown._asdict(),
        )  # fmt: skip


def print_drift(seed: int, nights: int) -> None:
    """Prints how often drift of a classifier's inputs is found."""
    for session, reference, answers in itertools.product(
        (1, 5, 20), (500, 2000), (50, 100, 200, 500, 2000)
    ):
        watch = drift.measure_watch(reference, answers, session, seed, nights)
        print_figure(
            about="drift of inputs", session=session, reference=reference, answers=answers,
            **watch._asdict(),
        )  # fmt: skip


def print_judges(seed: int, samples: int) -> None:
    """Prints what labels of the review queue show of a judge, and when it decides."""
    good = judges.Judge(0.95, 0.95, traces=2000, queue=200)
    for judge in (good, replace(good, rate=0.7), replace(good, tpr=0.9, tnr=0.85)):
        shown = judges.show_judge(judge, seed, samples)
        figures = {f"shown_{name}": figure for name, figure in shown._asdict().items()}
        print_figure(about="labels of a queue", **asdict(judge), **figures)
    for rate in (0.78, 0.85, 0.9):
        share = judges.share_aligned(rate, seed, 2 * samples)
        print_figure(about="judges that are aligned at a look", rate=rate, share=share)
    for queue in (20, 60):
        judge = judges.Judge(0.95, 0.95, queue=queue)
        wait = judges.measure_wait(judge, seed, max(1, samples // 50))
        print_figure(about="nights until a judge decides", **asdict(judge), **wait._asdict())


def main() -> None:
    """Runs every world."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulate", description=__doc__)
    parser.add_argument("--boards", type=int, default=1000, help="boards without a change")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", choices=PARTS, help="a part of it")
    given = parser.parse_args()
    if given.only in (None, "slices"):
        print_slices(given.seed, max(1, given.boards // 10))
    if given.only in (None, "causes"):
        print_causes(given.seed, max(1, given.boards // 10))
    if given.only in (None, "baselines"):
        print_baselines(given.seed, max(1, given.boards // 5))
    if given.only in (None, "bridges"):
        print_bridges(given.seed, max(1, given.boards // 10))
    if given.only in (None, "judges"):
        print_judges(given.seed, given.boards)
    if given.only in (None, "drift"):
        print_drift(given.seed, max(1, given.boards // 2))
    if given.only in (None, "queues"):
        print_queues(given.seed, given.boards)
    if given.only in (None, "alarms"):
        print_alarms(given.seed, given.boards)


def print_bridges(seed: int, worlds: int) -> None:
    """Prints what reports say of judges that changed."""
    for name, (world, nights) in BRIDGED.items():
        found = measure_judge_reports(world, seed, worlds, nights)
        print_figure(about="reports after a judge changed", world=name, **found._asdict())


def print_baselines(seed: int, applications: int) -> None:
    """Prints how often applications slip against a blessed night."""
    for name, world in BLESSED.items():
        found = measure_slips(world, seed, applications)
        print_figure(about="slips against a blessed night", world=name, **found._asdict())


def print_causes(seed: int, worlds: int) -> None:
    """Prints what the reports of the three nights after a change say."""
    for name, world in CAUSED.items():
        found = measure_reports(world, seed, worlds)
        print_figure(about="reports after a change", world=name, **found._asdict())


def print_slices(seed: int, nights: int) -> None:
    """Prints what the search of slices confirms in each world."""
    for name, world in SLICED.items():
        found = measure_world(world, seed, nights)
        print_figure(about="slices confirmed in a night", world=name, **found._asdict())


def print_alarms(seed: int, boards: int) -> None:
    """Prints what the alarms do in each world."""
    few = max(1, boards // 5)
    print_figure(about="pages of a single failing trace", n=promises.count_pages_of_one_trace())
    print_intervals(seed, 5 * boards)
    for name, (world, first) in NULL.items():
        share = promises.share_falsely_paged(world, seed, boards, first)
        print_figure(about="boards that page falsely in 90 nights", world=name, share=share)
    for name, (world, change) in DROPS.items():
        alone = replace(world, spread=QUIET, nights=100)
        delay = promises.measure_delay(alone, change, seed, few)
        print_figure(about="nights until a drop pages", drop=name, **delay._asdict())
    for name, (traces, by) in LASTING.items():
        world = World(traces=traces, applications=1, nights=146)
        lasting, over = Change((2,), by, 60), Change((2,), by, 60, 90)
        opened, still = promises.share_remembered(world, lasting, seed, few, 60)
        nights = promises.measure_recovery(replace(world, nights=125), over, seed, few)
        print_figure(
            about="a drop that lasts", drop=name, opened=opened, open_60_nights_later=still,
            nights_until_a_recovery_is_seen=nights,
        )  # fmt: skip


if __name__ == "__main__":
    main()
