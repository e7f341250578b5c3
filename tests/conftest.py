"""The order of the suite, what Hypothesis draws, and the signals its processes start with.

The slowest files come first, so that all cores end at the same time.
"""

from __future__ import annotations

import gc
import signal
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

TESTS = Path(__file__).parent
SECONDS = {
    "system/test_kill.py": 48,
    "system/test_stop.py": 62,
    "system/test_one_pipeline.py": 50,
    "system/test_broken_application.py": 35,
    "system/test_command_line.py": 45,
    "system/test_nights.py": 75,
    "evals/traces/test_hostile_tables.py": 40,
    "dbt_project/test_marts.py": 40,
    "orchestration/test_definitions.py": 40,
    "system/test_own_evaluator.py": 28,
    "system/test_redated_nights.py": 27,
    "evals/validation/test_redated_traces.py": 25,
    "evals/ingest/test_parallel_readers.py": 25,
    "evals/validation/test_expectations.py": 25,
    "evals/traces/test_hostile_products.py": 25,
    "system/test_budget.py": 25,
    "orchestration/web/test_serve.py": 20,
}
"""Seconds of processor time of the slowest files, roughly."""
SAME_SET_UP = dict.fromkeys(
    ("tests/system/test_backfill.py", "tests/system/test_evaluator_commands.py"),
    "tests/system/test_nights.py",
)
"""Files that run where another one does, since they share its fixture of the session."""
SECONDS_OF_A_SLOW_TEST, SECONDS_OF_A_TEST = 8.0, 0.1

settings.register_profile("fixed", derandomize=True, database=None, deadline=None)
settings.register_profile("random", deadline=None)
settings.load_profile("fixed")


def pytest_configure() -> None:
    """Takes SIGINT again where a shell started the suite in the background and ignores it.

    An ignored signal stays ignored in every process that a test starts.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class FileScheduling(LoadFileScheduling):
    """Gives each worker whole files, and files of one set-up to the same worker."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return SAME_SET_UP.get(file, file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> FileScheduling:
    """Schedules by files."""
    return FileScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files by the seconds they take; within a file nothing moves."""
    seconds: defaultdict[Path, float] = defaultdict(float)
    for item in items:
        slow = item.get_closest_marker("slow") is not None
        seconds[item.path] += SECONDS_OF_A_SLOW_TEST if slow else SECONDS_OF_A_TEST
    seconds |= {TESTS / name: weight for name, weight in SECONDS.items()}
    items.sort(key=lambda item: -seconds[item.path])


def pytest_collection_finish() -> None:
    """Exempts what was imported from the search for garbage, which took a second each time."""
    gc.collect()
    gc.freeze()
