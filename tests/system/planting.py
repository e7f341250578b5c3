"""Plants a person's canaries in every place of a home, and searches for what is left of them.

What is promised of them is in the tests.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from evals.privacy import scrubbing
from tests.evals.models.model_server import ServerReply, build_completion, serve_script
from tests.system.helpdesk import NIGHTS, build_question, create_team
from tests.system.judges import Judge
from tests.system.teams import Team

CANARY = "canary-9f27c1ab"
USER = f"{CANARY}-user-0042"
SECRET = "sk-ant-" + "api03-Zk4mQ8vTn2RbWx7LpYc5"
NIGHT = NIGHTS[0]
RAW = "inbox/pulled/desk/page.jsonl.gz"


class Planted(NamedTuple):
    """A team whose home has seen one person's canaries and one secret."""

    team: Team
    summary: dict[str, Any]


def repeat_request(body: dict[str, Any], _: int) -> ServerReply:
    """Answers as a judge that fails everything and repeats its request."""
    if body.get("logprobs"):
        return ServerReply(400, b'{"error": {"message": "no probabilities here"}}')
    shown = body["messages"][-1]["content"]
    text = json.dumps({"critique": f"It reads: {shown}", "verdict": "fail"})
    return ServerReply(200, build_completion(body, text))


def build_person_rows() -> list[dict[str, Any]]:
    """Builds two turns of one person, the second quarantined, with a canary in every place."""
    about = {
        "user_id": USER,
        "messages": [
            {"role": "user", "content": f"{CANARY} speaking, wrote {USER}"},
            {"role": "tool", "content": f"read {CANARY} in the crm"},
        ],
        "steps": [{"tool": "crm", "arguments": {"who": USER}, "result": f"{CANARY} lives here"}],
        "metadata": {"note": f"{CANARY} in a note", "who": USER},
        "tags": [f"{CANARY}-tag"],
    }
    first = build_question(NIGHT, 1, f"I am {CANARY}, where is my parcel of herbs?", **about)
    second = build_question(NIGHT, 2, f"{CANARY} again, still nothing", **about, latency_ms=-5)
    return [first, {**second, "output": f"Dear {CANARY}, sorry."}]


def build_other_rows() -> list[dict[str, Any]]:
    """Builds turns of other people, one with a key in it."""
    secrets = {"user_id": "somebody-else-77", "metadata": {"api_key": SECRET}}
    rows = [build_question(NIGHT, number) for number in range(3, 6)]
    return [*rows, build_question(NIGHT, 12, f"My key is {SECRET}, does it work?", **secrets)]


@contextlib.contextmanager
def plant_person(folder: Path) -> Iterator[Planted]:
    """Runs one night to its report, with everything planted in the raw folder of the home.

    It ends with 4, since the judge that reads probabilities is refused by its provider.
    """
    with serve_script(repeat_request) as server:
        team = create_team(folder, Judge(server.url))
        team.inbox.mkdir()
        path = team.home / RAW
        path.parent.mkdir(parents=True)
        broken = f'{{"trace_id": "desk-broken", "user_id": "{USER}", "input": "{CANARY} torn'
        rows = [*map(json.dumps, [*build_person_rows(), *build_other_rows()]), broken]
        path.write_bytes(gzip.compress("\n".join(rows).encode()))
        ran = team.run("nightly", "--inbox", team.inbox, "--json", code=4)
        yield Planted(team, ran.json)


def read_cells(path: Path) -> Iterator[bytes]:
    """Yields a file's bytes, and what is packed in them."""
    yield path.read_bytes()
    head = path.read_bytes()[:16]
    if head == scrubbing.SQLITE:
        with sqlite3.connect(path) as db:
            yield "\n".join(db.iterdump()).encode("utf-8", "replace")
    elif head.startswith(scrubbing.PARQUET):
        import pyarrow.parquet as pq

        for row in pq.read_table(path).to_pylist():
            yield repr(row).encode()
    else:
        yield scrubbing.read_unpacked(path)


def list_files_with(home: Path, word: str) -> list[str]:
    """Lists the files of a home that contain a word, byte for byte or packed."""
    files = (path for path in sorted(home.rglob("*")) if path.is_file())
    return [
        str(path.relative_to(home))
        for path in files
        if any(word.encode() in cell for cell in read_cells(path))
    ]
