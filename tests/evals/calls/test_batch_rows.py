"""Promises of a batch's rows: bounded in bytes, and asked again once where they are cut off."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest

from evals.calls import batch_answers
from tests.evals.calls.batch_night import BatchTeam, is_paid_once, sum_spent
from tests.evals.models.batch_server import Row, Server, answer_line

MOST = 4096
CUT = '{"critique": "It says th'


@pytest.fixture
def small_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds a row to four kilobytes, and a file to little more a row."""
    monkeypatch.setattr(batch_answers, "MOST_BYTES", MOST)
    monkeypatch.setattr(batch_answers, "USUAL_BYTES", MOST)


def enlarge(size: int) -> Callable[[Row], list[Row]]:
    """Answers `bad` questions with as many further bytes."""

    def answer(sent: Row) -> list[Row]:
        (row,) = answer_line(sent)
        if "bad" in sent["body"]["messages"][-1]["content"]:
            row["response"]["padding"] = "x" * size
        return [row]

    return answer


@pytest.mark.usefixtures("small_rows")
def test_a_row_larger_than_an_answer_may_be_is_an_error_of_its_question(
    team: BatchTeam, server: Server
) -> None:
    """The other rows count; the large one is booked at its most, and asked again."""
    team.score()
    server.state.script = enlarge(2 * MOST)
    server.state.finish()
    (collected,) = team.collect()
    assert collected.counts == {"answered": 2, "malformed-response": 1}
    assert sum_spent(team) == (pytest.approx(collected.usd + collected.booked_usd / 3), 3)
    assert team.score().pending == 1
    assert team.read_verdicts() == {"t0": "pass", "t2": "pass"}


@pytest.mark.usefixtures("small_rows")
@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_a_file_of_answers_without_end_is_left_at_its_bound(
    team: BatchTeam, server: Server, encoding: str
) -> None:
    """It is not stored whole, however well it is packed, and the batch ends."""
    team.score()
    server.state.finish()
    (name,) = (name for name in server.state.files if name.endswith("output_file_id"))
    data = server.state.files[name][1] + b"{}\n" * 10**6
    server.state.encoding = encoding
    server.state.files[name] = ("out.jsonl", gzip.compress(data) if encoding else data)
    (collected,) = team.collect()
    assert collected.counts["answered"] == 3
    assert collected.counts["unreadable-row"] < 4 * MOST / 3
    assert "larger than 16,384 bytes" in collected.problem
    team.score()
    assert team.read_verdicts() == {"t0": "pass", "t1": "fail", "t2": "pass"}


def test_a_file_of_answers_that_ends_in_its_middle_is_downloaded_again(
    team: BatchTeam, server: Server
) -> None:
    """The batch waits with the reason, and the next run collects it."""
    team.score()
    server.state.finish()
    server.state.cuts_files = True
    assert team.collect() == []
    assert "truncated-response" in team.read_jobs()[0].problem
    server.state.cuts_files = False
    assert [job.state for job in team.collect()] == ["collected"]
    assert is_paid_once(server)


@pytest.mark.parametrize("finish", ["length", "stop"])
def test_a_row_that_ends_in_its_middle_is_asked_again_once(
    team: BatchTeam, server: Server, finish: str
) -> None:
    """The second answer counts; one that is cut off again is an error, and stays the last ask."""

    def cut(sent: Row) -> list[Row]:
        (row,) = answer_line(sent)
        is_second = max(server.state.count_submissions().values()) > 1
        if "good" in sent["body"]["messages"][-1]["content"] and not is_second:
            choice = row["response"]["body"]["choices"][0]
            choice["message"]["content"], choice["finish_reason"] = CUT, finish
        return [row]

    server.state.script = cut
    team.score()
    server.state.finish()
    (collected,) = team.collect()
    assert collected.counts == {
        "answered": 1,
        ("cut-short" if finish == "length" else "unparseable"): 2,
    }
    assert sum_spent(team) == (pytest.approx(collected.usd), 3)
    assert team.score().pending == 2, "asked again within the run that collects"
    server.state.finish()
    team.collect()
    assert team.score().pending == 0
    assert team.read_verdicts() == {"t0": "pass", "t1": "fail", "t2": "pass"}
    assert sorted(server.state.count_submissions().values()) == [1, 2, 2]


def test_a_second_ask_of_a_batch_stays_within_the_days_budget(
    team: BatchTeam, server: Server
) -> None:
    """Without calls left it waits for the next day."""

    def cut(sent: Row) -> list[Row]:
        (row,) = answer_line(sent)
        row["response"]["body"]["choices"][0]["message"]["content"] = CUT
        return [row]

    budget = team.catalog.budget.model_copy(update={"calls_per_day": 4})
    team.catalog = team.catalog.model_copy(update={"budget": budget})
    server.state.script = cut
    team.score()
    server.state.finish()
    team.collect()
    tally = team.score()
    assert (tally.pending, tally.why) == (1, "budget")
