"""The executor of every run: the steps one by one, in one process, the home in use until the end.

So whoever needs the home alone, to forget or to delete, learns of a run that Dagster's page, a
schedule or a sensor began. What needs the home alone within a run happens here, before the first
step and after the last one. Runs of the command line do the same in `cli.nightly` and `cli.launch`.

Why in process: importing dbt and Great Expectations costs a step process more than a night's work.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from evals import pipeline
from orchestration.settings import settings


class Holding(dg.Executor):
    """Another executor's steps, with the home in use."""

    def __init__(self, inner: dg.Executor) -> None:
        self.inner = inner

    @property
    def retries(self) -> Any:
        """The other's."""
        return self.inner.retries

    @property
    def step_dependency_config(self) -> Any:
        """The other's."""
        return self.inner.step_dependency_config

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """The other's events; waits where somebody has the home alone.

        An erasure that was begun is completed first and retention is applied last, unless another
        run uses the home: then by the next one.
        """
        here, lake = settings(), settings().lake()
        pipeline.prepare_home(lake, here.catalog(), datetime.now(UTC))
        with ExitStack() as stack:
            with dg.raise_execution_interrupts():  # Dagster holds signals back between steps
                stack.enter_context(lake.used())
            yield from self.inner.execute(plan_context, execution_plan)
        pipeline.apply_retention(lake, here.catalog(), datetime.now(UTC))


@dg.executor(name="in_use", config_schema=dg.in_process_executor.config_schema)  # pyright: ignore[reportArgumentType]
def in_use_executor(context: dg.InitExecutorContext) -> Holding:
    """All steps in one process, during which nobody has the home alone."""
    made: Any = dg.in_process_executor.executor_creation_fn
    return Holding(made(context))
