"""LangSmith's API: the runs of a project by when they began, then feedback by when it was given.

Rows land as the API returns them, a run or a piece of feedback a line.
"""

from __future__ import annotations

from collections.abc import Iterator

from evals.sources.api import Api, Refused, SourceError
from evals.sources.json_shapes import (
    Object,
    require_object,
    require_objects,
    require_text,
    text_or_empty,
)
from evals.sources.pages import LoopDetector, Page, Row, TimeRange, read_key
from evals.specs import Source

SELECT = (
    "id", "name", "run_type", "start_time", "end_time", "status", "error", "inputs", "outputs",
    "extra", "events", "tags", "parent_run_id", "trace_id", "dotted_order", "session_id",
    "reference_example_id", "prompt_tokens", "completion_tokens", "total_tokens", "prompt_cost",
    "completion_cost", "total_cost", "first_token_time", "prompt_token_details",
    "completion_token_details",
)  # fmt: skip


def open_api(source: Source) -> Api:
    """Returns a client that sends the key."""
    return Api(
        source.name,
        source.url,
        headers={"x-api-key": read_key(source, source.secret) or ""},
        variables=(str(source.secret),),
        per_minute=source.per_minute,
    )


def read_pages(
    api: Api, source: Source, project: str, during: TimeRange, position: str | None
) -> Iterator[Page]:
    """Yields pages of runs, then of feedback; a position is `runs:CURSOR` or `feedback:OFFSET`."""
    session = find_session(api, project)
    what, _, at = (position or "runs:").partition(":")
    total = count_runs(api, make_query(source, session, during, None)) if what == "runs" else None
    while what == "runs":
        query = make_query(source, session, during, at or None)
        answer = require_object(api.post("/api/v1/runs/query", query))
        following = require_object(answer["cursors"]).get("next")
        what, at = ("runs", require_text(following)) if following else ("feedback", "0")
        rows = [make_run_row(run) for run in require_objects(answer["runs"])]
        yield Page(rows, f"{what}:{at}", "runs", total)
    offset, size = int(at), min(source.page_size, 100)
    while True:
        feedback = require_objects(
            api.get(
                "/api/v1/feedback",
                session=session,
                limit=size,
                offset=offset,
                min_created_at=during.start,
                max_created_at=during.end,
            )
        )
        offset += len(feedback)
        is_last = len(feedback) < size
        rows = [make_feedback_row(item) for item in feedback]
        yield Page(rows, None if is_last else f"feedback:{offset}")
        if is_last:
            return


def list_ids(
    api: Api, source: Source, project: str, during: TimeRange, listing: str
) -> Iterator[str]:
    """Yields the ids of all runs."""
    session, cursor, loops = find_session(api, project), None, LoopDetector(source.name)
    while True:
        query = {**make_query(source, session, during, cursor), "select": ["id"]}
        answer = require_object(api.post("/api/v1/runs/query", query))
        runs, following = require_objects(answer["runs"]), require_object(answer["cursors"])
        yield from (require_text(run["id"]) for run in runs)
        if not following.get("next"):
            return
        cursor = require_text(following["next"])
        loops.check_page([run["id"] for run in runs], cursor)


def find_session(api: Api, project: str) -> str:
    """Returns the id of a project.

    Raises:
        SourceError: there is none of that name.
    """
    for session in require_objects(api.get("/api/v1/sessions", name=project, limit=10)):
        if session["name"] == project:
            return require_text(session["id"])
    raise SourceError(f"{api.name}: no project {project!r}; check `projects` in sources.yaml")


def count_runs(api: Api, query: Object) -> int | None:
    """Returns how many runs the API counts; None where its server does not count them."""
    selection = {key: query[key] for key in ("session", "filter")}
    try:
        stats = api.post("/api/v1/runs/stats", selection)
    except Refused:
        return None
    count = stats.get("run_count") if type(stats) is dict else None
    return count if type(count) is int else None


def make_query(source: Source, session: str, during: TimeRange, cursor: str | None) -> Object:
    """Makes the query for a page of runs."""
    return {
        "session": [session],
        "filter": f'and(gte(start_time, "{during.start}"), lt(start_time, "{during.end}"))',
        "order": "asc",
        "limit": min(source.page_size, 100),
        "select": list(SELECT),
        "cursor": cursor,
    }


def make_run_row(run: Object) -> Row:
    """Makes the row of a run, with the trace it is part of."""
    own = require_text(run["id"])
    trace = require_text(run.get("trace_id") or own)
    is_root = run.get("parent_run_id") is None
    return Row(own, trace, text_or_empty(run["start_time"]), is_root, trace, run)


def make_feedback_row(feedback: Object) -> Row:
    """Makes the row of a piece of feedback, which may be given long after its run."""
    trace = require_text(feedback.get("trace_id") or feedback.get("run_id") or "")
    name = f"feedback {feedback['id']}"
    return Row(name, name, text_or_empty(feedback["created_at"]), True, trace, feedback)
