"""The executor of every run: the steps one by one, in one process, the home in use until the end.

So that whoever needs the home alone, to forget or to tidy, is told of a run that Dagster's page, a
schedule or a sensor began. Runs of the command line hold it themselves, in `launch`.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import dagster as dg

from evals.storage.lake import HomeInUse
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

        A forgetting that was begun is done first, unless another run has the home: then by the
        next one.
        """
        from evals.erasure import forget, requests

        here, lake = settings(), settings().lake()
        with contextlib.suppress(HomeInUse):
            if requests.unfinished(lake):
                forget.finish(lake, here.catalog())
        with contextlib.ExitStack() as stack:
            with dg.raise_execution_interrupts():  # Dagster holds signals back between steps
                stack.enter_context(lake.used())
            yield from self.inner.execute(plan_context, execution_plan)


@dg.executor(name="in_use", config_schema=dg.in_process_executor.config_schema)  # pyright: ignore[reportArgumentType]
def in_use_executor(context: dg.InitExecutorContext) -> Holding:
    """All steps in one process, during which nobody has the home alone."""
    made: Any = dg.in_process_executor.executor_creation_fn
    return Holding(made(context))
