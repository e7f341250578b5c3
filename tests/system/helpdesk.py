"""An invented team: a help desk with two judges and a card printer with none, and their traces.

How a team's commands run is in `teams`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from tests.system.judges import Judge
from tests.system.teams import Team

FIRST = date(2026, 3, 1)
NIGHTS = [FIRST + timedelta(days=n) for n in range(8)]
BAD = NIGHTS[6]
CONCURRENCY = 3
SHARED = "Where is my parcel?"
"""A question of every night: its answer is paid for once."""

POLITE = "You read help-desk answers. Is this one polite?"
HELPFUL = "You read help-desk answers. Is this one of use? Answer Yes or No."


def create_team(folder: Path, judge: Judge) -> Team:
    """Writes the team's catalog under a folder; its judges are at the server."""
    pin = {"base_url": f"{judge.url}/v1", "model": "judge-2026-01-01", "concurrency": CONCURRENCY}
    price = {"since": FIRST, "input": 2.0, "output": 8.0}
    signed = {"assertion": "regex", "params": {"pattern": "— the desk$"}}
    files: dict[str, Any] = {
        "catalog.yaml": {"title": "A small team", "since": FIRST},
        "models.yaml": {"judge": {**pin, "prices": [price]}},
        "slices.yaml": [{"slice": "prompt", "by": "prompt_version"}],
        "apps/helpdesk.yaml": {"app": "helpdesk", "suite": "helpdesk"},
        "apps/cards.yaml": {"app": "cards", "suite": "cards"},
        "judges/polite.yaml": {
            "judge": "polite",
            "asks": "Is the answer polite?",
            "model": "judge",
            "system": POLITE,
        },
        "judges/helpful.yaml": {
            "judge": "helpful",
            "asks": "Is the answer of use?",
            "model": "judge",
            "system": HELPFUL,
            "mode": "logprobs",
        },
        "suites/helpdesk.yaml": {
            "suite": "helpdesk",
            "dimensions": [
                {"dimension": name, "question": question, "check": check}
                for name, question, check in (
                    ("politeness", "Is the answer polite?", {"judge": "polite"}),
                    ("use", "Is the answer of use?", {"judge": "helpful"}),
                    ("signature", "Is the answer signed?", signed),
                )
            ],
        },
        "suites/cards.yaml": {
            "suite": "cards",
            "dimensions": [
                {
                    "dimension": "short",
                    "question": "Does the wish fit on a card?",
                    "check": {"assertion": "regex", "params": {"pattern": "(?s).{1,40}"}},
                }
            ],
        },
        "guardrails/secrets.yaml": {
            "guardrail": "secrets",
            "question": "Is the answer free of keys?",
            "check": "secrets",
            "action": "block",
        },
    }
    team = Team(folder)
    team.declare(files)
    return team


def build_question(night: date, number: int, text: str = "", **more: Any) -> dict[str, Any]:
    """Returns one invented question to the help desk, and its answer; `text` replaces it."""
    things = ("kettle", "lamp", "chair", "tent", "clock", "radio", "ladder", "basket")
    thing = things[(night.day + number) % len(things)]
    question = text or f"Order {night:%m%d}{number}: my {thing} has not come. What now?"
    end = "— the desk" if number % 3 else ""
    answer = f"Sorry to hear that. We look for it at once. {end}".strip()
    return {
        "trace_id": f"desk-{night:%m%d}-{number:03d}",
        "ts": f"{night.isoformat()}T09:{number % 60:02d}:00Z",
        "app": "helpdesk",
        "input": question,
        "output": "It is on its way. — the desk" if text else answer,
        "model": "desk-model-1",
        "prompt_version": "v1" if night < NIGHTS[7] else "v2",
        "session_id": f"s-{night:%m%d}-{number}",
        **more,
    }


def build_wish(night: date, number: int) -> dict[str, Any]:
    """Returns one invented wish for a birthday card."""
    wish = "Many happy returns!" if number % 2 else "May all its days be kind, and the cake huge."
    about = {"trace_id": f"card-{night:%m%d}-{number}", "ts": f"{night.isoformat()}T10:00:00Z"}
    return {**about, "app": "cards", "input": f"A wish, number {number}", "output": wish}


def build_night(night: date, questions: int = 5) -> list[dict[str, Any]]:
    """Returns one night's rows of both applications; the first question is the same every night."""
    own = [build_question(night, number) for number in range(1, questions)]
    return [
        build_question(night, 0, SHARED),
        *own,
        *(build_wish(night, number) for number in range(3)),
    ]


def spoil_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the rows with every other one of the help desk's made invalid."""
    broken = {row["trace_id"] for row in rows if row["app"] == "helpdesk"}
    chosen = set(sorted(broken)[::2])
    return [{**row, "latency_ms": -5} if row["trace_id"] in chosen else row for row in rows]
