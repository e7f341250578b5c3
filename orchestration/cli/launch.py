"""Runs a job of the line in this process, as a Dagster run one can see in the UI.

The only place that starts Dagster from the command line.
"""

import contextlib
import gc
import logging
import warnings
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from evals.calls.stop import Stopped
from evals.storage.lake import Lake
from orchestration.runtime import interrupts
from orchestration.runtime.instance import dagster_home
from orchestration.runtime.progress import Progress, Teller
from orchestration.runtime.run_tags import DONE, INTAKE, range_tags

INTERRUPTED = "DagsterExecutionInterruptedError"
NO_CAPTURE = "dagster._core.storage.noop_compute_log_manager"
UNCAPTURED = {"compute_logs": {"module": NO_CAPTURE, "class": "NoOpComputeLogManager"}}
"""What steps print is in `last_run.log`. Dagster's capture starts two processes for each stream,
which Ctrl-C in a terminal reaches too, and which then print their stacks."""
ALLOCATIONS = 50_000
"""Objects made before Python looks for rubbish: the million that imports make stay."""


class Launched(NamedTuple):
    """How a run ended."""

    run_id: str
    failures: list[str]
    calls: int


def launch(home: Path, job: str, first: date, last: date, say: Teller) -> Launched:
    """Runs a job over a range of nights in one run; everything new was taken in before.

    Args:
        home: the team's data.
        job: `nightly` or `rescore`.
        first: the first night.
        last: the last night, included.
        say: hears how far it is.

    Raises:
        Stopped: when a signal ended it; what was answered is kept.
    """
    folder = dagster_home(home)
    warnings.simplefilter("ignore")  # third parties' deprecations are the test suite's to show
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    say("starting Dagster")
    gc.set_threshold(ALLOCATIONS)
    from dagster import DagsterInstance
    from dagster._core.instance import InstanceRef

    Progress.start(say)
    from orchestration.definitions import defs

    log = (folder / "last_run.log").open("w", encoding="utf-8", errors="backslashreplace")
    lake = Lake(home)
    with lake.lock("dagster"):  # the first two of a home would both make its tables
        reference = InstanceRef.from_dir(str(folder), overrides=UNCAPTURED)
        instances = DagsterInstance.from_ref(reference)
    with lake.used(), instances as instance, log, contextlib.redirect_stdout(log):
        if interrupts.first_signal():  # a library on the way here took it for an error of its own
            raise Stopped("interrupted before the run began")
        result = defs.resolve_job_def(job).execute_in_process(
            instance=instance,
            raise_on_error=False,
            tags={**range_tags(first, last), INTAKE: DONE},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    if interrupts.first_signal() or any(map(was_interrupted, result.all_events)):
        raise Stopped("the run was interrupted")
    failures = [
        f"{event.step_key}: {root_of(event.step_failure_data.error)}"
        for event in result.all_events
        if event.is_step_failure
    ]
    failures += [
        f"{event.step_key}: nothing came from the step before it"
        for event in result.all_events
        if event.is_step_skipped and not failures
    ]
    return Launched(result.run_id, failures, Progress.calls)


def was_interrupted(event: Any) -> bool:
    """Whether an event tells that Dagster heard a signal, in a step or between two.

    What Dagster's handler raised may have become a library's own error, which names it.
    """
    if event.is_step_failure:
        return INTERRUPTED in event.step_failure_data.error.to_string()
    reason = event.job_failure_data.failure_reason if event.is_job_failure else None
    return reason is not None and reason.name == "UNEXPECTED_TERMINATION"


def root_of(error: Any) -> str:
    """What went wrong first, in its own words; the stack is in the run, which the UI shows."""
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else "it failed without a word"
