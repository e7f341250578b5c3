"""Runs a Dagster job in this process, as a run that the UI shows.

Only this module starts Dagster from the command line.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import warnings
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from evals.calls.stop import Stopped
from evals.storage.damage import set_aside
from evals.storage.lake import Lake
from orchestration.runtime import interrupts
from orchestration.runtime.instance import make_dagster_home
from orchestration.runtime.progress import Listener, Progress
from orchestration.runtime.run_tags import DONE, INTAKE, build_range_tags

if TYPE_CHECKING:
    from dagster import DagsterEvent, DagsterInstance
    from dagster_shared.error import SerializableErrorInfo

INTERRUPTED = "DagsterExecutionInterruptedError"
DAMAGED = "DamagedFileError"
NO_CAPTURE = "dagster._core.storage.noop_compute_log_manager"
UNCAPTURED = {"compute_logs": {"module": NO_CAPTURE, "class": "NoOpComputeLogManager"}}
"""What steps print goes to `last_run.log`. Dagster's capture starts two processes for each stream,
which Ctrl-C in a terminal also reaches, and which then print their tracebacks."""
ALLOCATIONS = 50_000
"""Objects made before Python collects garbage: imports make a million that stay."""


class RunResult(NamedTuple):
    """How a run ended."""

    run_id: str
    failures: list[str]
    calls: int


def run_job(home: Path, job: str, first: date, last: date, listener: Listener) -> RunResult:
    """Runs a job over a range of nights in one run; exports and labels were imported before.

    Args:
        home: the team's data.
        job: `nightly` or `rescore`.
        first: the first night.
        last: the last night, included.
        listener: receives its progress.

    Raises:
        Stopped: when a signal ended it; what was answered is kept.
    """
    folder, lake = make_dagster_home(home), Lake(home)
    warnings.simplefilter("ignore")  # the test suite shows libraries' deprecations
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    listener("starting Dagster")
    gc.set_threshold(ALLOCATIONS)
    Progress.start(listener)
    from orchestration.definitions import defs

    log = (folder / "last_run.log").open("w", encoding="utf-8", errors="backslashreplace")
    instances = open_instance(lake, folder)
    with lake.lock_home(), instances as instance, log, contextlib.redirect_stdout(log):
        if interrupts.get_first_signal():  # while importing, a library may have swallowed it
            raise Stopped("interrupted before the run began")
        result = defs.resolve_job_def(job).execute_in_process(
            instance=instance,
            raise_on_error=False,
            tags={**build_range_tags(first, last), INTAKE: DONE},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    if interrupts.get_first_signal() or any(map(was_interrupted, result.all_events)):
        raise Stopped("the run was interrupted")
    return RunResult(result.run_id, list_failures(result.all_events), Progress.calls)


def open_instance(lake: Lake, folder: Path) -> DagsterInstance:
    """Opens the home's Dagster instance, which captures nothing that steps print."""
    from dagster import DagsterError, DagsterInstance
    from dagster._core.instance import InstanceRef
    from dagster_shared.check import CheckError

    with lake.lock("dagster"):  # two first runs of a home would both make its tables
        try:
            reference = InstanceRef.from_dir(str(folder), overrides=UNCAPTURED)
            return DagsterInstance.from_ref(reference)
        except (DagsterError, CheckError, ImportError, AttributeError):
            set_aside(folder / "dagster.yaml")
            make_dagster_home(folder.parent)
            reference = InstanceRef.from_dir(str(folder), overrides=UNCAPTURED)
            return DagsterInstance.from_ref(reference)


def list_failures(events: Sequence[DagsterEvent]) -> list[str]:
    """Names each failed step with the cause of its error; without one, the skipped steps.

    A check that blocks what waits for the gate is no failure: the reports tell of it.
    """
    failed = [event for event in events if event.is_step_failure]
    failures = [
        f"{event.step_key}: {describe_cause(event.step_failure_data.error)}"
        for event in failed
        if not is_blocked(event.step_failure_data.error)
    ]
    return failures or [
        f"{event.step_key}: the step before it returned nothing"
        for event in events
        if event.is_step_skipped and not failed
    ]


def is_blocked(error: SerializableErrorInfo | None) -> bool:
    """Whether a step failed because a check of it blocks what is downstream."""
    return error is not None and error.cls_name == "DagsterAssetCheckFailedError"


def was_interrupted(event: DagsterEvent) -> bool:
    """Whether a run ended because of a signal, in a step or between two.

    A library may have wrapped what Dagster's handler raised in its own error, which names it.
    """
    if event.is_step_failure:
        error = event.step_failure_data.error
        return error is not None and INTERRUPTED in error.to_string()
    reason = event.job_failure_data.failure_reason if event.is_job_failure else None
    return reason is not None and reason.name == "UNEXPECTED_TERMINATION"


def describe_cause(error: SerializableErrorInfo | None) -> str:
    """Returns the message of the first error in a chain; the UI shows the run's traceback.

    Of a damaged file it is the sentence that names the file, its loss and the remedy.
    """
    while error is not None and error.cause is not None and error.cls_name != DAMAGED:
        error = error.cause
    message = error.message.strip() if error else "failed with no error message"
    is_damaged = error is not None and error.cls_name == DAMAGED
    return message.partition(": ")[2] if is_damaged else message
