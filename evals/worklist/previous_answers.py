"""What the prompt before answered to the same inputs: gold for judges that compare two answers.

Gold sets and gold values of labels are `evals.evaluators.gold`'s.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from evals.evaluators.gold import GoldAndLabels
from evals.specs import Evaluator
from evals.specs.suites import PREVIOUS
from evals.storage.lake import Lake
from evals.storage.queries import create_table_view, open_duckdb, quote_text

SPAN = timedelta(days=30)
"""The nights that are searched, the present one included."""


def add_previous(
    lake: Lake, night: date, evaluator: Evaluator, references: GoldAndLabels
) -> GoldAndLabels:
    """Adds the answers of earlier prompts to gold, where an evaluator compares with them."""
    if evaluator.gold != PREVIOUS:
        return references
    return replace(references, previous=read_previous_answers(lake, night, evaluator.app))


def read_previous_answers(lake: Lake, night: date, app: str) -> dict[str, str]:
    """Reads, by trace, the answer that `read_previous` finds."""
    return read_previous(lake, night, app, "output")


def read_previous_ids(lake: Lake, night: date, app: str) -> dict[str, str]:
    """Reads, by trace, the trace of the answer that `read_previous` finds."""
    return read_previous(lake, night, app, "trace_id")


def read_previous(lake: Lake, night: date, app: str, column: str) -> dict[str, str]:
    """Reads, by trace, a column of the latest answer to the same input by a prompt that is older.

    A prompt is a name with a version or a hash; the older one is that whose first answer came
    first. An answer with an error or without a text is none.
    """
    nights = [day for day in lake.list_nights("traces") if timedelta(0) <= night - day < SPAN]
    sql = f"""
        with answers as (
            select
                trace_id, input, output, ts, status,
                coalesce(prompt_name, '') || ':' || coalesce(prompt_version, prompt_hash) as prompt
            from traces
            where app = {quote_text(app)} and input <> ''
        ),
        prompts as (select prompt, min(ts) as since from answers where prompt <> '' group by prompt)
        select own.trace_id, arg_max(other.{column}, (other.ts, other.trace_id))
        from tonight
        join answers as own on own.trace_id = tonight.trace_id
        join prompts as own_prompt on own_prompt.prompt = own.prompt
        join answers as other on other.input = own.input and other.ts < own.ts
        join prompts as other_prompt
            on other_prompt.prompt = other.prompt and other_prompt.since < own_prompt.since
        where coalesce(other.status, 'ok') = 'ok' and trim(other.output) <> ''
        group by own.trace_id
    """  # noqa: S608  quoted
    with open_duckdb() as db:
        create_table_view(db, lake, "traces", [night])
        db.execute("create table tonight as select trace_id from traces")
        create_table_view(db, lake, "traces", nights)
        return dict(db.sql(sql).fetchall())
