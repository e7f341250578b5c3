"""LangSmith's API: the runs of a project by when they began, then feedback by when it was given.

Rows land as the API spells them, a run or a piece of feedback a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evals.sources.api import Api, SourceError
from evals.sources.pages import Page, Row, read_key
from evals.specs import Source

SELECT = (
    "id", "name", "run_type", "start_time", "end_time", "status", "error", "inputs", "outputs",
    "extra", "events", "tags", "parent_run_id", "trace_id", "dotted_order", "session_id",
    "reference_example_id", "prompt_tokens", "completion_tokens", "total_tokens", "prompt_cost",
    "completion_cost", "total_cost", "first_token_time", "prompt_token_details",
    "completion_token_details",
)  # fmt: skip


def open_api(source: Source) -> Api:
    """The API under its key."""
    return Api(
        source.name,
        source.url,
        headers={"x-api-key": read_key(source, source.secret) or ""},
        variables=(str(source.secret),),
        per_minute=source.per_minute,
    )


def read_pages(
    api: Api, source: Source, project: str, span: tuple[str, str], position: str | None
) -> Iterator[Page]:
    """Pages of runs, then of feedback; a position is `runs:CURSOR` or `feedback:OFFSET`."""
    session = find_session(api, project)
    what, _, at = (position or "runs:").partition(":")
    while what == "runs":
        found = api.post("/api/v1/runs/query", make_query(source, session, span, at or None))
        following = found["cursors"].get("next")
        what, at = ("runs", following) if following else ("feedback", "0")
        yield Page([make_run_row(run) for run in found["runs"]], f"{what}:{at}")
    offset, size = int(at), min(source.page_size, 100)
    while True:
        given = {"min_created_at": span[0], "max_created_at": span[1]}
        found = api.get("/api/v1/feedback", session=session, limit=size, offset=offset, **given)
        rows = [make_feedback_row(f) for f in found]
        offset += len(found)
        done = len(found) < size
        yield Page(rows, None if done else f"feedback:{offset}")
        if done:
            return


def find_session(api: Api, project: str) -> str:
    """The id of a project.

    Raises:
        SourceError: there is none of that name.
    """
    found = api.get("/api/v1/sessions", name=project, limit=10)
    for session in found:
        if session["name"] == project:
            return session["id"]
    raise SourceError(f"{api.name}: no project {project!r}; check `projects` in sources.yaml")


def make_query(
    source: Source, session: str, span: tuple[str, str], cursor: str | None
) -> dict[str, Any]:
    """The question for a page of runs."""
    return {
        "session": [session],
        "filter": f'and(gte(start_time, "{span[0]}"), lt(start_time, "{span[1]}"))',
        "order": "asc",
        "limit": min(source.page_size, 100),
        "select": list(SELECT),
        "cursor": cursor,
    }


def make_run_row(run: dict[str, Any]) -> Row:
    """A run, with the trace it is a part of."""
    trace = run.get("trace_id") or run["id"]
    return Row(run["id"], trace, run["start_time"], run.get("parent_run_id") is None, trace, run)


def make_feedback_row(feedback: dict[str, Any]) -> Row:
    """A piece of feedback, which may come long after its run."""
    trace = feedback.get("trace_id") or feedback.get("run_id") or ""
    name = f"feedback {feedback['id']}"
    return Row(name, name, feedback["created_at"], True, trace, feedback)
