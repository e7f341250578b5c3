"""Promises of the search of slices through a home: what is found, and how it is described."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from evals.records import Trace
from evals.slices.findings import Finding, SliceSearch, search_slices
from evals.slices.traces_table import Scored
from evals.specs import Catalog, Slice
from evals.storage.lake import Lake
from evals.storage.parquet_files import write_parquet
from evals.topics.night_requests import describe_night
from tests.evals.slices.sliced_nights import APP, TONIGHT, Change, make_home

PRICE = Scored("price", "shop.price", "v1")
SLICES = (
    Slice(slice="prompt", by="prompt_version"),
    Slice(slice="paid", where="json_extract_string(metadata, '$.tier') = 'paid'"),
)
Fails = Callable[[Trace], float]


def search(lake: Lake, slices: tuple[Slice, ...] = SLICES) -> SliceSearch:
    """Searches the night's slices."""
    return search_slices(lake, Catalog(root=lake.home, slices=slices), APP, TONIGHT, [PRICE])


def list_names(found: SliceSearch) -> list[tuple[str, ...]]:
    """Lists the slices that would be confirmed at .001."""
    return [tuple(term.name for term in one.terms) for one in found.findings if one.p < 0.001]


def is_refund_by_m1(trace: Trace) -> bool:
    """Whether the planted pair has a trace."""
    return "refund" in (trace.input or "") and trace.model == "m1"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Finding:
    """The pair of a word and a model that fails more in three nights."""
    home = make_home(
        tmp_path_factory.mktemp("home"),
        lambda trace: 0.5 if is_refund_by_m1(trace) else 0.1,
        traces=600,
        nights=3,
    )
    (found,) = [one for one in search(home).findings if one.p < 0.001]
    return found


def test_a_pair_is_found_as_the_pair(pair: Finding) -> None:
    """A word of the input and a model: neither parent, and no pair of one with a third."""
    names = {term.name for term in pair.terms}
    assert "model=m1" in names
    assert names & {"keyword=refund", "keyword=order", "keyword=please"}


def test_a_slice_is_measured_beside_its_complement(pair: Finding) -> None:
    """Its rate, that of all others and of its parent are of the half that did not propose it."""
    assert pair.part.rate == pytest.approx(0.5, abs=0.15)
    assert pair.rest.rate == pytest.approx(0.9, abs=0.04)
    assert pair.part.rate < pair.around.rate < pair.rest.rate
    assert pair.part.n + pair.rest.n < 1800
    assert pair.size > pair.part.n
    assert pair.share == pytest.approx(pair.size / 1800)


def test_a_slice_has_its_nights_its_words_and_answers(pair: Finding) -> None:
    """Each night's count, words beside its own, and failing answers of the slice."""
    assert [one.night for one in pair.nights] == [TONIGHT - timedelta(days=n) for n in (2, 1, 0)]
    assert sum(one.n for one in pair.nights) == pair.part.n
    assert set(pair.keywords) <= {"refund", "order", "please"}
    assert len(pair.examples) == 3
    assert all("refund" in str(one["input"]) for one in pair.examples)
    assert pair.examples[0]["explanation"] == f"about {pair.examples[0]['trace_id']}"


def test_a_slice_of_the_catalog_is_known_by_its_name(tmp_path: Path) -> None:
    """It is offered no line, and its twin among metadata is not found again."""
    lake = make_home(tmp_path, lambda trace: 0.5 if trace.metadata["tier"] == "paid" else 0.1)
    (found,) = [one for one in search(lake).findings if one.p < 0.001]
    assert (found.kept_as, found.line) == ("paid", "")


def test_a_slice_is_offered_under_a_free_name(tmp_path: Path) -> None:
    """The line is YAML of one entry with a name that no slice has."""
    lake = make_home(tmp_path, lambda trace: 0.5 if trace.metadata["tier"] == "paid" else 0.1)
    taken = (Slice(slice="tier-paid", where="true"),)
    (found,) = [one for one in search(lake, taken).findings if one.p < 0.001]
    (entry,) = yaml.safe_load(found.line)
    assert Slice(**entry) == Slice(
        slice="tier-paid-2",
        where="json_extract_string(metadata, '$.tier') = 'paid'",
        apps=(APP,),
    )


HOSTILE = "it's \"; drop table rows; -- <b>"


def spoil(trace: Trace, number: int) -> Trace:
    """Gives a trace keys and values that are attacks, nothing, or too many."""
    metadata = {
        HOSTILE: HOSTILE if number % 5 else None,
        "a.b/c~d": "x" * 90 + str(number % 3),
        "model": "unlike the column",
        "long": "y" * 5000 + str(number % 2),
        "": "empty",
        "k" * 200: "long key",
        f"key-{number}": "rare",
    }
    return replace(
        trace,
        metadata=metadata if number % 7 else {},
        input=None if number % 11 == 0 else trace.input,
        session_id=None if number % 3 == 0 else trace.session_id,
    )


def test_hostile_attributes_are_searched_like_others(tmp_path: Path) -> None:
    """Keys and values of any text, nulls and thousands of keys: the worst value is found."""
    lake = make_home(tmp_path, lambda t: 0.1 if t.metadata.get(HOSTILE) else 0.5, change=spoil)
    lake_of_value = make_home(
        tmp_path / "value", lambda t: 0.5 if t.metadata.get(HOSTILE) else 0.1, change=spoil
    )
    search(lake)
    assert (f"metadata.{HOSTILE}={HOSTILE}",) in list_names(search(lake_of_value))


def fails_of_session(trace: Trace) -> float:
    """All rows of every tenth session fail."""
    return float(int((trace.session_id or "0").rpartition("s")[2]) % 10 == 0)


def join_sessions(trace: Trace, number: int) -> Trace:
    """Forty rows a session, which share a customer."""
    session = f"s{number // 40}"
    return replace(trace, session_id=session, metadata={"customer": f"c{number // 160}"})


@pytest.mark.parametrize(
    ("fails", "change"),
    [(lambda _: 0.0, None), (lambda _: 1.0, None), (lambda _: 0.02, None),
     (fails_of_session, join_sessions)],
    ids=["all pass", "all fail", "few fail", "whole sessions fail"],
)  # fmt: skip
def test_nothing_is_found_where_nothing_is(
    tmp_path: Path, fails: Fails, change: Change | None
) -> None:
    """Nights without a bad slice have none, whatever their rate and their sessions."""
    assert list_names(search(make_home(tmp_path, fails, change=change))) == []


def test_marts_of_an_older_version_are_searched(tmp_path: Path) -> None:
    """Without the columns that came later every score is a trace's, sampled like the others."""
    lake = make_home(tmp_path, lambda trace: 0.5 if trace.metadata["tier"] == "paid" else 0.1)
    (path,) = (tmp_path / "marts" / "fct_scores").glob("*/*.parquet")
    old = pq.read_table(path, partitioning=None).drop(["subject", "origin", "inclusion"])
    write_parquet(path, old)
    assert list_names(search(lake)) == [("paid",)]


def test_an_empty_home_has_no_slices(tmp_path: Path) -> None:
    """Without traces, or without scores, there is nothing to search."""
    assert search(Lake(tmp_path).open()) == SliceSearch()


def test_a_language_is_found_and_kept(tmp_path: Path) -> None:
    """A slice of answers in another language, which no trace names, is found with its line."""
    german = "Das Paket ist leider noch nicht angekommen, bitte warten Sie noch einen Tag."
    english = "The parcel has not arrived yet, please wait for one more day and write again."

    def answer(trace: Trace, number: int) -> Trace:
        return replace(trace, output=german if number % 7 < 2 else english)

    home = make_home(
        tmp_path, lambda trace: 0.4 if trace.output == german else 0.1, change=answer, traces=1500
    )
    describe_night(home, TONIGHT)
    (found,) = [one for one in search(home).findings if one.p < 0.001]
    assert [term.name for term in found.terms] == ["output language=de"]
    (line,) = yaml.safe_load(found.line)
    assert line["where"] == "output_language = 'de'"
