"""Promises of two servers with one model name: neither's answers count for the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from evals import pipeline
from evals.calls.concurrency import FEW_REFUSALS
from evals.evaluators.gold import GoldAndLabels
from evals.runs import night_locks
from evals.runs.plan import PlannedNight, PlanScope, plan_nights
from evals.specs import Catalog, ModelPin, load_catalog
from evals.storage import night_state
from evals.storage.documents import server_claims
from evals.storage.lake import Lake
from tests.catalog_files import write_catalog
from tests.evals.calls.catalog import build_traces
from tests.evals.models.model_server import Server, ServerReply, build_completion, serve_script

FIRST, SECOND = date(2026, 10, 1), date(2026, 10, 2)
COUNT = 3
NOW = datetime(2026, 10, 3, tzinfo=UTC)


@pytest.fixture
def servers() -> Iterator[dict[str, Server]]:
    """Serves one model name three times: one passes, one fails, one refuses every answer."""

    def reply(status: int, verdict: str) -> Any:
        def script(body: dict[str, Any], before: int) -> ServerReply:
            completion = build_completion(body, f'{{"verdict": "{verdict}"}}')
            return ServerReply(status, completion if status == 200 else b"{}")

        return script

    kinds = {"pass": (200, "pass"), "fail": (200, "fail"), "wrong": (404, "")}
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(serve_script(reply(*kind))) for name, kind in kinds.items()
        }


class Home:
    """A home with two nights of one application, of equal content."""

    def __init__(self, root: Path) -> None:
        self.root, self.lake = root, Lake(root / "home").open()
        for night in (FIRST, SECOND):
            self.lake.write("traces", night, build_traces(COUNT, FIRST))

    def load_catalog(self, **pins: dict[str, Any]) -> Catalog:
        """Writes and loads a catalog with a judge of each pin; all ask the same question."""
        pin = {"model": "llama:latest", "pins": "record"}
        dimension = {"question": "Kind?", "sample": 1.0}
        files: dict[str, Any] = {
            "catalog.yaml": {},
            "models.yaml": {name: {**pin, **keys} for name, keys in pins.items()},
            "apps/chat.yaml": {"app": "chat", "suite": "chat"},
            "suites/chat.yaml": {
                "suite": "chat",
                "dimensions": [
                    {"dimension": name, "check": {"judge": name}, **dimension} for name in pins
                ],
            },
        }
        for name in pins:
            judge = {"judge": name, "asks": "Kind?", "model": name, "system": "Judge."}
            files[f"judges/{name}.yaml"] = judge
        return load_catalog(write_catalog(self.root / "catalog", files))

    def score(self, catalog: Catalog, *nights: date) -> dict[str, list[int]]:
        """Scores nights; returns each judge's passes, failures and calls."""
        references = GoldAndLabels.of(catalog.root, [])
        tallies = pipeline.score_nights(self.lake, catalog, references, nights, "run", NOW)
        return {
            tally.evaluator: [tally.passed, tally.failed, tally.calls]
            for tally in tallies
            if tally.evaluator in catalog.judges
        }

    def plan_calls(self, catalog: Catalog) -> dict[str, int]:
        """Plans what moving both nights to a catalog costs; returns each judge's calls."""
        calls = dict.fromkeys(catalog.judges, 0)
        for row in self.plan(catalog, FIRST, SECOND):
            if row.evaluator in calls:
                calls[row.evaluator] += row.calls
        return calls

    def plan(self, catalog: Catalog, *nights: date) -> list[PlannedNight]:
        """Plans what moving nights to a catalog costs."""
        references = GoldAndLabels.of(catalog.root, [])
        return plan_nights(PlanScope(self.lake, catalog, references, nights))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Opens a home."""
    return Home(tmp_path)


def test_two_servers_of_one_model_name_have_figures_of_their_own(
    home: Home, servers: dict[str, Server]
) -> None:
    """Two judges put the same questions to two servers: each server is asked and counted."""
    catalog = home.load_catalog(
        a={"base_url": servers["pass"].url}, b={"base_url": servers["fail"].url}
    )
    assert home.plan_calls(catalog) == {"a": COUNT, "b": COUNT}
    done = home.score(catalog, FIRST)
    assert done == {"a": [COUNT, 0, COUNT], "b": [0, COUNT, COUNT]}
    assert home.score(catalog, FIRST, SECOND)["b"] == [0, COUNT, 0]
    assert home.plan_calls(catalog) == {"a": 0, "b": 0}


def test_pins_of_one_server_share_its_answers(home: Home, servers: dict[str, Server]) -> None:
    """Two names of one address are one model: its answers are paid once."""
    url = servers["pass"].url
    catalog = home.load_catalog(a={"base_url": url}, b={"base_url": f"{url}/"})
    assert home.score(catalog, FIRST) == {"a": [COUNT, 0, COUNT], "b": [COUNT, 0, 0]}


def test_a_pin_that_moves_to_another_server_asks_anew(
    home: Home, servers: dict[str, Server]
) -> None:
    """Nights scored before keep their answers; new ones ask the new server; back costs nothing."""
    before = home.load_catalog(a={"base_url": servers["pass"].url})
    assert home.score(before, FIRST) == {"a": [COUNT, 0, COUNT]}
    after = home.load_catalog(a={"base_url": servers["fail"].url})
    assert home.plan_calls(after) == {"a": COUNT}
    assert home.score(after, SECOND) == {"a": [0, COUNT, COUNT]}
    assert home.score(after, FIRST) == {"a": [COUNT, 0, 0]}
    home.lake.write("traces", FIRST, build_traces(COUNT + 1))
    assert home.score(after, FIRST) == {"a": [COUNT + 1, 0, 1]}, (
        "a late trace is asked where its night was"
    )
    back = home.load_catalog(a={"base_url": servers["pass"].url})
    assert home.plan_calls(back) == {"a": 0}


def test_a_server_that_moved_under_its_name_costs_nothing(
    home: Home, servers: dict[str, Server]
) -> None:
    """With the earlier address as `server`, answers count wherever it is reached now."""
    url = servers["pass"].url
    home.score(home.load_catalog(a={"base_url": url}), FIRST)
    moved = home.load_catalog(a={"base_url": servers["fail"].url, "server": url})
    assert home.plan_calls(moved) == {"a": 0}
    assert home.score(moved, FIRST, SECOND) == {"a": [COUNT, 0, 0]}


def test_an_address_that_never_answered_binds_nothing(
    home: Home, servers: dict[str, Server]
) -> None:
    """After a wrong address is corrected its nights are asked, under the version they have."""
    wrong = home.load_catalog(a={"base_url": servers["wrong"].url})
    home.score(wrong, FIRST)
    right = home.load_catalog(a={"base_url": servers["pass"].url})
    assert home.score(right, FIRST) == {"a": [COUNT, 0, COUNT]}
    assert home.score(right, SECOND) == {"a": [COUNT, 0, 0]}
    assert {row.evaluator_version for row in home.lake.read("scores") if row.evaluator == "a"} == {
        next(e.version for e in pipeline.list_locked(home.lake, right, FIRST, ["chat"]) if e.pin)
    }


def test_answers_of_a_home_without_claims_count_for_the_present_server(
    home: Home, servers: dict[str, Server]
) -> None:
    """A home from before servers were distinguished asks nothing again."""
    catalog = home.load_catalog(a={"base_url": servers["pass"].url})
    home.score(catalog, FIRST)
    home.lake.replace_document(server_claims.NAME, {})
    assert home.plan_calls(catalog) == {"a": 0}
    assert home.score(catalog, FIRST, SECOND) == {"a": [COUNT, 0, 0]}


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ({"base_url": "http://host/v1"}, {"base_url": "http://HOST:80/"}, True),
        ({"base_url": "https://host/v1"}, {"base_url": "http://host"}, True),
        ({}, {"base_url": "https://api.openai.com/v1/"}, True),
        ({"base_url": "http://host:1/v1"}, {"base_url": "http://host:2/v1"}, False),
        ({"base_url": "http://host/a/v1"}, {"base_url": "http://host/b/v1"}, False),
        ({"base_url": "http://a/v1"}, {"base_url": "http://b/v1"}, False),
        ({"base_url": "http://a/v1"}, {"base_url": "http://b/v1", "server": "http://a"}, True),
        ({"base_url": "http://a", "server": "x"}, {"base_url": "http://b", "server": "x"}, True),
        (
            {"base_url": "http://a", "revision": "1" * 40},
            {"base_url": "http://b", "revision": "1" * 40},
            True,
        ),
    ],
)
def test_servers_are_told_apart_by_host_port_and_path(
    one: dict[str, Any], other: dict[str, Any], is_same: bool
) -> None:
    """Spelling makes no other server; a name or a digest of the weights stands for the address."""
    names = {ModelPin(name="m", model="m", **keys).server_name for keys in (one, other)}
    assert (len(names) == 1) is is_same


def test_a_night_with_errors_is_due_once_its_pin_was_changed(
    home: Home, servers: dict[str, Server]
) -> None:
    """Its state has the settings its calls failed with; a night without errors is not due."""
    wrong = home.load_catalog(a={"base_url": servers["wrong"].url})
    home.score(wrong, FIRST)
    mark_reported(home, wrong)
    assert night_locks.explain_pending(home.lake, wrong, FIRST) is None
    right = home.load_catalog(a={"base_url": servers["pass"].url})
    assert night_locks.explain_pending(home.lake, right, FIRST) == (
        "calls of a failed, and its pin was changed since"
    )
    (row,) = (row for row in home.plan(right, FIRST) if row.evaluator == "a")
    asked = FEW_REFUSALS - 1  # the last refusal ended the calls and used up no attempt
    assert (row.calls, row.failed_before) == (COUNT, {"no-such-endpoint": asked})
    home.score(right, FIRST)
    mark_reported(home, right)
    moved = home.load_catalog(a={"base_url": servers["pass"].url, "timeout_s": 61})
    assert night_locks.explain_pending(home.lake, moved, FIRST) is None


def mark_reported(home: Home, catalog: Catalog) -> None:
    """Marks the first night as reported, with no error that may pass by itself."""
    night_state.update_state(
        home.lake,
        FIRST,
        seen=night_locks.digest_inputs(home.lake, catalog, FIRST),
        failed=night_locks.find_failed_judges(home.lake, catalog, FIRST),
    )
