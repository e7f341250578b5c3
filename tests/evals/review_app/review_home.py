"""A home with a review queue, and the review page over it, as tests visit it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient
from starlette.types import ASGIApp

from evals.records import Label, Score, Trace
from evals.review_app.queue_index import make_key
from evals.storage.documents.review_queues import ReviewQuestion, write_review_queue
from evals.storage.label_records import read_labels
from evals.storage.lake import Lake
from evals.storage.night_state import update_state
from orchestration.settings import Settings
from orchestration.web.review import ReviewAddress, ServedReview, serve_review
from tests.catalog_files import write_catalog

NIGHT = date(2026, 10, 14)
NOON = datetime(2026, 10, 14, 12, tzinfo=UTC)
URL = "http://127.0.0.1:3002"
QUESTION = "Is the answer right?"
ANSWER = Trace("t-0", NOON, "desk", "It is red.", "Which colour?")


def write_home(folder: Path, traces: int = 3, **more: Any) -> Settings:
    """Writes a home whose queue asks about some answers of `desk`.

    Args:
        folder: where the home and its catalog go.
        traces: how many answers.
        more: what differs in the first answer.
    """
    rows = [
        replace(ANSWER, trace_id=f"t-{n}", output=f"It is red, says answer {n}.")
        for n in range(traces)
    ]
    return write_apps(folder, [replace(rows[0], **more), *rows[1:]])


def write_apps(folder: Path, rows: Sequence[Trace]) -> Settings:
    """Writes a home whose queue asks about answers, each of which the judge `strict` failed."""
    dimension = {
        "dimension": "right",
        "question": QUESTION,
        "recorded": True,
        "map": {"correct": "pass", "wrong": "fail"},
    }
    files: dict[str, Any] = {"suites/desk.yaml": {"suite": "desk", "dimensions": [dimension]}}
    apps = sorted({row.app for row in rows})
    for app in apps:
        files[f"apps/{app}.yaml"] = {"app": app, "suite": "desk", "redact": ["email"]}
    root = write_catalog(folder / "catalog", files)
    lake = Lake(folder / "home").open()
    for table in ("staged", "traces"):
        lake.write(table, NIGHT, rows)
    update_state(lake, NIGHT, evaluators={app: {"strict": "v1"} for app in apps})
    for app in apps:
        scores = [judge(row.trace_id, app) for row in rows if row.app == app]
        lake.write("scores", NIGHT, scores, f"strict@{app}@v1")
    write_review_queue(lake, NIGHT, [ask(row.trace_id, row.app) for row in rows])
    return Settings(folder / "home", root, None, ())


def judge(trace_id: str, app: str = "desk") -> Score:
    """The failing verdict of a judge."""
    return Score(
        trace_id, NIGHT, app, "right", "strict", "v1", "judge", "scored", "fail", None,
        "the judge says blue", None,
    )  # fmt: skip


def ask(trace_id: str, app: str = "desk", people: int = 1) -> ReviewQuestion:
    """The question whether an answer is right."""
    about = (trace_id, app, "right", "right", QUESTION, "random sample", 0.5)
    return ReviewQuestion(*about, people=people)


def find_path(trace: int) -> str:
    """The page of the question about an answer."""
    return f"/questions/{make_key(f't-{trace}', 'right')}"


class Visitor:
    """Somebody with a browser without scripts."""

    def __init__(self, app: ASGIApp, link: str = "", name: str = "") -> None:
        self.client = TestClient(app, URL, follow_redirects=False)
        if link:
            self.client.get(link.removeprefix(URL))
        if name:
            self.send("/name", {"name": name}, page="/name")

    def read(self, path: str) -> str:
        """The page of a path."""
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def send(self, path: str, values: Mapping[str, object], page: str = "/", **headers: str) -> Any:
        """Sends a form with the token of a page."""
        token = re.search(r'name="csrf" value="([^"]+)"', self.client.get(page).text)
        filled = {"csrf": token[1] if token else "", **values}
        return self.client.post(path, data=filled, headers=headers)

    def judge(self, trace: int, verdict: str, note: str = "", **more: object) -> Any:
        """Sends a verdict."""
        path = find_path(trace)
        return self.send(f"{path}/verdict", {"verdict": verdict, "note": note, **more}, page=path)


def serve(settings: Settings, annotator: str = "") -> ServedReview:
    """The review page of a home, as the command serves it."""
    return serve_review(settings, ReviewAddress(URL, 3002), annotator)


def visit(settings: Settings, *names: str) -> list[Visitor]:
    """Some people at the same server."""
    served = serve(settings)
    return [Visitor(served.app, served.link, name) for name in names]


def list_labels(settings: Settings) -> list[Label]:
    """The labels of a home that count."""
    return read_labels(settings.open_lake())
