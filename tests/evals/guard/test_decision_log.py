"""Promises of the guard's log: every decision is a trace, redacted, whole, from any process."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from evals import Guard
from evals.evaluators.guard_checks.moderation import moderation
from evals.specs import load_catalog
from tests.catalog_files import write_catalog
from tests.evals.guard.servers import start_moderation
from tests.evals.guard.test_request_path import ATTACK, FILES, KEY, MAIL, write_moderation


@pytest.fixture
def guard(tmp_path: Path) -> Guard:
    """A guard that writes its decisions into an inbox."""
    root = write_catalog(tmp_path / "catalog", FILES)
    return Guard.from_catalog(root, "shop", log=tmp_path / "inbox")


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """Reads every row of a folder's files."""
    files = sorted(folder.glob("*.jsonl"))
    return [json.loads(line) for path in files for line in path.read_bytes().splitlines()]


def test_a_decision_is_written_as_a_redacted_trace(guard: Guard, tmp_path: Path) -> None:
    """The request, its answer and the decision are there; secrets and personal data are not."""
    decision = guard.check(
        f"{KEY} {MAIL}",
        input=MAIL,
        context="page 1",
        trace_id="t1",
        session_id="s1",
        fields={"model": "m-2026-01-01", "metadata": {"plan": "free", "key": KEY}},
    )
    (row,) = read_rows(tmp_path / "inbox")
    assert (row["trace_id"], row["app"], row["session_id"]) == ("t1", "shop", "s1")
    assert row["output"] == "[redacted:aws-key] Write to [redacted:email]."
    assert row["context"] == "page 1"
    assert row["model"] == "m-2026-01-01"
    assert row["metadata"]["plan"] == "free"
    assert row["metadata"]["guard"] == decision.as_metadata()
    text = json.dumps(row)
    assert KEY not in text
    assert "ann@example.com" not in text


def test_only_the_owner_can_read_the_log(guard: Guard, tmp_path: Path) -> None:
    """The files are as private as a home's own inbox."""
    guard.check("Hello.")
    (path,) = (tmp_path / "inbox").iterdir()
    assert path.stat().st_mode & 0o077 == 0


def test_a_wrapped_call_is_one_trace(guard: Guard, tmp_path: Path) -> None:
    """Question and answer are one row; a question that was blocked is a filtered request."""
    answer = guard.protect(fallback="Sorry.")(lambda question: f"You said: {question}")
    answer("Hello?")
    answer(ATTACK)
    first, second = read_rows(tmp_path / "inbox")
    assert [r["guardrail"] for r in first["metadata"]["guard"]["results"]] == [
        "injection", "keys", "mails",
    ]  # fmt: skip
    assert (first["input"], first["output"]) == ("Hello?", "You said: Hello?")
    assert (second["input"], second["output"], second["status"]) == (ATTACK, "", "filtered")


def write_many(guard: Guard) -> None:
    """Writes from several threads."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: guard.check(f"{'x' * 2000} {n}"), range(50)))


def test_threads_and_forked_processes_write_whole_rows(guard: Guard, tmp_path: Path) -> None:
    """No row is lost or mixed with another, whoever wrote before the fork."""
    guard.check("before")
    fork = multiprocessing.get_context("forkserver" if os.name == "nt" else "fork")
    import warnings

    with warnings.catch_warnings():  # of forking beside threads: that is what is tested
        warnings.simplefilter("ignore")
        others = [fork.Process(target=write_many, args=(guard,)) for _ in range(2)]
        for other in others:
            other.start()
    write_many(guard)
    for other in others:
        other.join(60)
    rows = read_rows(tmp_path / "inbox")
    assert len(rows) == 151
    assert len({row["trace_id"] for row in rows}) == 151
    assert len(list((tmp_path / "inbox").iterdir())) == 3


def test_a_log_that_cannot_be_written_fails_no_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The decision is as without a log; the loss is counted, and logged once without a text."""
    root = write_catalog(tmp_path / "catalog", FILES)
    (tmp_path / "file").write_text("")
    guard = Guard.from_catalog(root, "shop", log=tmp_path / "file")
    with caplog.at_level(logging.WARNING):
        assert guard.check(MAIL).text == guard.check(MAIL).text == "Write to [redacted:email]."
    assert guard.log is not None
    assert guard.log.lost == 2
    assert len(caplog.records) == 1
    assert "example" not in caplog.text


def test_odd_texts_are_written(guard: Guard, tmp_path: Path) -> None:
    """A lone surrogate, a line break and an empty answer are rows like any other."""
    for text in ("\ud800", "a\nb\u2028c", ""):
        guard.check(text, input="x")
    assert [row["output"] for row in read_rows(tmp_path / "inbox")] == ["?", "a\nb\u2028c", ""]


def test_the_night_reads_what_the_endpoint_answered(tmp_path: Path) -> None:
    """A moderation check makes no call at night: its verdict is the one of the request path."""
    from evals.evaluators import resolution
    from evals.evaluators.gold import GoldAndLabels

    with start_moderation() as server:
        root = write_moderation(tmp_path / "catalog", server.url)
        guard = Guard.from_catalog(root, "shop", log=tmp_path / "inbox")
        guard.check("A violent day.", input="x")
        calls = len(server.asked)
        (row,) = read_rows(tmp_path / "inbox")
        rule = resolution.resolve_guardrails(load_catalog(root), "shop")[0]
        evaluate = moderation.evaluate(rule, GoldAndLabels(Path(), {}, {}))
        (finding,) = evaluate(build_trace(row))
        assert (finding.result.passed, finding.result.explanation) == (False, "violence 0.90")
        (without,) = evaluate(build_trace({**row, "metadata": {"guard": "odd"}}))
        assert without.result.reason == "not-asked-inline"
        assert len(server.asked) == calls


def build_trace(row: dict[str, Any]) -> Any:
    """Builds the trace that an import makes of a row."""
    from datetime import datetime

    from evals.records import Trace

    at = datetime.fromisoformat(row["ts"])
    return Trace(row["trace_id"], at, row["app"], row["output"], metadata=row["metadata"])
