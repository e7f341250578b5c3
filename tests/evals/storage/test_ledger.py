"""Promises of the ledger: no answer is lost, and none is paid twice."""

from datetime import date
from pathlib import Path

import pytest

from evals.records import Answer
from evals.storage import ledger
from evals.storage.documents.answer_files import list_present, read_answer_files
from evals.storage.lake import Lake

NIGHT = date(2026, 10, 1)


def build_answer(
    key: str, *, code: str | None = None, attempts: int = 1, text: str = "yes"
) -> Answer:
    """Returns an answer of the judge `tone`."""
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


def list_answered(lake: Lake, version: str = "v1") -> set[str]:
    """Returns the contents that have an answer under a version."""
    with ledger.open_index(lake, version, {"a", "b"}) as index:
        return {answer.content_key for answer in index.read_answers()}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Returns an empty lake."""
    return Lake(tmp_path).open()


def test_an_answer_counts_as_paid_once_it_is_in_a_journal(lake: Lake) -> None:
    """A second run sees an answer that is only in the journal of a run under way."""
    with ledger.open_journal(lake, "run-1") as journal:
        journal.append(build_answer("a"))
        assert list_answered(lake) == {"a"}


def test_a_closed_journal_is_merged_into_the_ledger(lake: Lake) -> None:
    """When a run ends its journal is gone and its answers are in the night's partition."""
    with ledger.open_journal(lake, "run-1") as journal:
        journal.append(build_answer("a"))
    assert not list((lake.home / "journal").glob("*.jsonl"))
    assert [row.content_key for row in lake.read("answers", [NIGHT])] == ["a"]


def test_a_new_file_of_answers_is_recorded(lake: Lake) -> None:
    """So that its loss is noticed, whoever removes it."""
    with ledger.open_journal(lake, "run") as journal:
        journal.append(build_answer("a"))
    assert read_answer_files(lake) == list_present(lake) != set()


def test_a_line_cut_short_by_a_kill_is_no_answer(lake: Lake) -> None:
    """Recovery merges the whole lines of a journal that ends in half a line."""
    writer = ledger.Journal(lake.home / "journal" / "dead.jsonl")
    writer.append(build_answer("a"))
    writer.append(build_answer("b"))
    writer.close()
    path = lake.home / "journal" / "dead.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert ledger.recover_journals(lake) == 1
    assert list_answered(lake) == {"a"}


def test_recovery_leaves_the_journal_of_a_run_under_way(lake: Lake) -> None:
    """Recovery merges the journals of dead runs only."""
    with ledger.open_journal(lake, "alive") as journal:
        journal.append(build_answer("a"))
        other = Lake(lake.home)
        assert ledger.recover_journals(other) == 0
        journal.append(build_answer("b"))
    assert list_answered(lake) == {"a", "b"}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_text_replaces_an_error_in_either_order(lake: Lake, order: tuple[int, int]) -> None:
    """An error never replaces an answer that has a text."""
    both = [build_answer("a", code="timeout", attempts=2), build_answer("a")]
    for i in order:
        with ledger.open_journal(lake, f"run-{i}") as journal:
            journal.append(both[i])
    assert [row.text for row in lake.read("answers", [NIGHT])] == ["yes"]


def test_an_index_reads_a_journal_that_is_merged_meanwhile(lake: Lake) -> None:
    """Another run may end after its answers are indexed and before they are read."""
    path = lake.home / "journal" / "other.jsonl"
    writer = ledger.Journal(path)
    writer.append(build_answer("a"))
    writer.close()
    with ledger.open_index(lake, "v1", {"a"}) as index:
        ledger.recover_journals(lake)
        assert not path.exists()
        assert [answer.content_key for answer in index.read_answers()] == ["a"]


def test_merging_a_journal_twice_adds_no_row(lake: Lake) -> None:
    """A kill between writing the partition and removing the journal doubles nothing."""
    with ledger.open_journal(lake, "run-1") as journal:
        journal.append(build_answer("a"))
    again = ledger.Journal(lake.home / "journal" / "run-1.jsonl")
    again.append(build_answer("a"))
    again.close()
    ledger.recover_journals(lake)
    assert len(lake.read("answers", [NIGHT])) == 1


def test_an_answer_of_another_version_does_not_count(lake: Lake) -> None:
    """Answers are looked up by their version."""
    with ledger.open_journal(lake, "run-1") as journal:
        journal.append(build_answer("a"))
    assert list_answered(lake, "v2") == set()
