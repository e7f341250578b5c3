"""The executor of every run: the steps one after another, in one process, with the home locked.

Erasure and retention need the home exclusively: they see from its lock that a run started by
Dagster's page, a schedule or a sensor is using it. Within a run they happen here, before the first
step and after the last. Runs of the command line do the same in `cli.nightly` and `cli.launch`.

Why in process: importing dbt and Great Expectations costs a step process more than a night's work.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import dagster as dg
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.execution.step_dependency_config import StepDependencyConfig

from evals import pipeline
from orchestration.settings import read_settings


class InUseExecutor(dg.Executor):
    """Runs another executor's steps and marks the home as in use meanwhile."""

    def __init__(self, inner: dg.Executor) -> None:
        self.inner = inner

    @property
    def retries(self) -> RetryMode:
        """The inner executor's."""
        return self.inner.retries

    @property
    def step_dependency_config(self) -> StepDependencyConfig:
        """The inner executor's."""
        return self.inner.step_dependency_config

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        """Yields the inner executor's events; waits while another process has the home.

        Completes a pending erasure first and applies retention last, unless another run uses the
        home: then the next run does.
        """
        settings = read_settings()
        lake = settings.open_lake()
        pipeline.prepare_home(lake, settings.load_catalog(), datetime.now(UTC))
        with ExitStack() as stack:
            with dg.raise_execution_interrupts():  # Dagster holds signals back between steps
                stack.enter_context(lake.lock_home())
            yield from self.inner.execute(plan_context, execution_plan)
        pipeline.apply_retention(lake, settings.load_catalog(), datetime.now(UTC))


@dg.executor(name="in_use", config_schema=dg.in_process_executor.config_schema)  # pyright: ignore[reportArgumentType]
def in_use_executor(context: dg.InitExecutorContext) -> InUseExecutor:
    """Runs all steps in this process and marks the home as in use."""
    create = dg.in_process_executor.executor_creation_fn
    if create is None:
        raise TypeError("Dagster's in-process executor has no constructor")
    return InUseExecutor(create(context))
