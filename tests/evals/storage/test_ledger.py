"""Promises of the ledger: what is paid is never lost and never paid twice."""

from datetime import date
from pathlib import Path

import pytest

from evals.records import Answer
from evals.storage import ledger
from evals.storage.lake import Lake

NIGHT = date(2026, 10, 1)


def answer(key: str, *, code: str | None = None, attempts: int = 1, text: str = "yes") -> Answer:
    """An answer of the judge `tone`."""
    return Answer(
        content_key=key,
        answer_version="v1",
        evaluator="tone",
        night=NIGHT,
        app="chat",
        text=None if code else text,
        probability=None,
        code=code,
        retryable=code is not None,
        attempts=attempts,
        model="m",
        model_answered="m",
        fingerprint=None,
        created=1,
        tokens_in=3,
        tokens_out=1,
        cost_usd=0.5,
    )


def paid(lake: Lake, version: str = "v1") -> set[str]:
    """The contents that are paid under a version."""
    with ledger.paid(lake, version, {"a", "b"}) as found:
        return {one.content_key for one in found.answers()}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake."""
    return Lake(tmp_path).open()


def test_an_answer_is_paid_for_from_the_moment_it_is_journalled(lake: Lake) -> None:
    """A second run sees an answer that a living run has only journalled."""
    with ledger.journal(lake, "run-1") as journal:
        journal.append(answer("a"))
        assert paid(lake) == {"a"}


def test_a_closed_journal_rests_in_the_ledger(lake: Lake) -> None:
    """When a run is over its journal is gone and its answers are in the night's partition."""
    with ledger.journal(lake, "run-1") as journal:
        journal.append(answer("a"))
    assert not list((lake.home / "journal").glob("*.jsonl"))
    assert [row.content_key for row in lake.read("answers", [NIGHT])] == ["a"]


def test_a_line_cut_short_by_a_kill_is_no_answer(lake: Lake) -> None:
    """A journal that ends in half a line yields the whole lines, and recovery settles them."""
    writer = ledger.Journal(lake.home / "journal" / "dead.jsonl")
    writer.append(answer("a"))
    writer.append(answer("b"))
    writer.close()
    path = lake.home / "journal" / "dead.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert ledger.recover(lake) == 1
    assert paid(lake) == {"a"}


def test_a_living_journal_is_left_alone_by_recovery(lake: Lake) -> None:
    """Recovery settles the journals of the dead only."""
    with ledger.journal(lake, "alive") as journal:
        journal.append(answer("a"))
        other = Lake(lake.home)
        assert ledger.recover(other) == 0
        journal.append(answer("b"))
    assert paid(lake) == {"a", "b"}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_text_outlives_an_error_whatever_came_first(lake: Lake, order: tuple[int, int]) -> None:
    """An error never replaces an answer that was paid for."""
    both = [answer("a", code="timeout", attempts=2), answer("a")]
    for i in order:
        with ledger.journal(lake, f"run-{i}") as journal:
            journal.append(both[i])
    assert [row.text for row in lake.read("answers", [NIGHT])] == ["yes"]


def test_a_journal_settled_while_it_is_read_is_read_to_its_end(lake: Lake) -> None:
    """Another run may end between the look-up of its answers and their reading."""
    path = lake.home / "journal" / "other.jsonl"
    writer = ledger.Journal(path)
    writer.append(answer("a"))
    writer.close()
    with ledger.paid(lake, "v1", {"a"}) as found:
        ledger.recover(lake)
        assert not path.exists()
        assert [one.content_key for one in found.answers()] == ["a"]


def test_settling_twice_keeps_one_row(lake: Lake) -> None:
    """A kill between writing the partition and removing the journal doubles nothing."""
    with ledger.journal(lake, "run-1") as journal:
        journal.append(answer("a"))
    again = ledger.Journal(lake.home / "journal" / "run-1.jsonl")
    again.append(answer("a"))
    again.close()
    ledger.recover(lake)
    assert len(lake.read("answers", [NIGHT])) == 1


def test_another_version_of_the_question_is_not_answered_by_this_one(lake: Lake) -> None:
    """Answers are looked up by their version."""
    with ledger.journal(lake, "run-1") as journal:
        journal.append(answer("a"))
    assert paid(lake, "v2") == set()
