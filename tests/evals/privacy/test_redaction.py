"""Personal data is redacted on import: users are hashed, texts and labels redacted."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.ingest.staging import import_file
from evals.privacy import id_hashes, redaction, row_filter
from evals.privacy.row_filter import PrivacyFilter
from evals.records import Json, Label, Refusal, Trace
from evals.specs import App, Catalog
from evals.storage.documents.inbox_files import read_inbox_files
from evals.storage.documents.tombstones import add_closed_nights, add_forgotten
from evals.storage.lake import Lake, LakeError
from evals.validation.quarantine import read_refusals

SECRET = "sk-ant-" + "api03-Zk4mQ8vTn2RbWx7LpYc5"
USER = "ada.lovelace-1815"


def make_catalog(folder: Path) -> Catalog:
    """A shop that redacts e-mail addresses, and a forum that redacts nothing."""
    apps = {"shop": App(app="shop", redact=("email",)), "forum": App(app="forum", redact=())}
    return Catalog(root=folder, apps=apps)


def make_trace(**more: object) -> Trace:
    """A trace of the shop with personal data and secrets in many fields."""
    values = {
        "trace_id": "t-1",
        "ts": datetime(2026, 10, 1, 9, tzinfo=UTC),
        "app": "shop",
        "input": f"I am {USER}, write to ada@example.com",
        "output": f"Use {SECRET}",
        "user_id": USER,
        "session_id": "s-1",
        "messages": ({"role": "user", "content": f"mail ada@example.com for {USER}"},),
        "steps": ({"tool": "crm", "result": {"who": USER, "password": "Hq7x-29bLm"}},),
        "metadata": {"user": USER, "note": "fine"},
        "params": {"api_key": SECRET},
        "tags": (f"user:{USER}",),
        **more,
    }
    return Trace(**values)  # pyright: ignore[reportArgumentType]  a test's mixed bag


def filter_trace(home: Path, trace: Trace, where: Path) -> Trace:
    """The trace as a home would store it."""
    filtered = PrivacyFilter.load(Lake(home).open(), make_catalog(where)).filter_trace(trace)
    assert isinstance(filtered, Trace)
    return filtered


def test_personal_data_is_redacted_and_counted(tmp_path: Path) -> None:
    """No field keeps a user id, address or secret; the metadata counts the redactions by kind."""
    filtered = filter_trace(tmp_path / "home", make_trace(), tmp_path)
    text = repr(filtered)
    for word in (USER, SECRET, "ada@example.com", "Hq7x-29bLm"):
        assert word not in text
    assert filtered.metadata["note"] == "fine"
    taken = filtered.metadata["redactions"]
    assert taken == {"anthropic-key": 2, "email": 2, "password": 1, "user-id": 5}
    assert filtered.session_id == "s-1"


def test_names_and_file_names_are_redacted(tmp_path: Path) -> None:
    """No e-mail address stays in them, nor in the list of inbox files."""
    mail = "ada@example.com"
    names = {name: f"of {mail}" for name in row_filter.NAMES if name != "source_file"}
    path = tmp_path / f"export of {mail}.jsonl"
    row = {"trace_id": "t", "ts": "2026-10-01T09:00:00Z", "app": "shop", "output": "Hello."}
    path.write_text(json.dumps({**row, **names}) + "\n")
    lake = Lake(tmp_path / "home").open()
    seen = import_file(lake, make_catalog(tmp_path), path)
    assert (seen.read, seen.refused) == (1, 0)
    (stored,) = lake.read("staged", lake.list_nights("staged"))
    assert stored.model == "of [redacted:email]"
    assert mail not in repr([stored, read_inbox_files(lake)])


def test_a_user_has_one_hash_in_a_home_and_another_in_the_next(tmp_path: Path) -> None:
    """The same user has the same hash, another home's key gives another, a hash stays as it is."""
    first = filter_trace(tmp_path / "a", make_trace(), tmp_path)
    again = filter_trace(tmp_path / "a", make_trace(trace_id="t-2"), tmp_path)
    other = filter_trace(tmp_path / "b", make_trace(), tmp_path)
    assert first.user_id == again.user_id != other.user_id
    replayed = filter_trace(tmp_path / "a", make_trace(user_id=first.user_id), tmp_path)
    assert replayed.user_id == first.user_id


def test_the_key_is_private_and_another_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its owner can read the key's file; a home refuses a key other than its first."""
    lake = Lake(tmp_path).open()
    monkeypatch.delenv(id_hashes.KEY_VARIABLE, raising=False)
    assert id_hashes.load_user_key(lake) == id_hashes.load_user_key(lake)
    assert (tmp_path / "user_key").stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv(id_hashes.KEY_VARIABLE, "another")
    with pytest.raises(LakeError, match="another key"):
        id_hashes.load_user_key(lake)


STEP = {
    "kind": "llm",
    "ts": "2026-10-01T12:00:01.500000+00:00",
    "span_id": "a415555013200000",
    "parent_id": "5c41555501320000",
    "call_id": "41555501-3200-4c0e-8f55-446655440000",
    "model": "gpt-4o-2024-08-06",
    "tokens_in": 4_155_550_132,
}


def test_timestamps_and_random_ids_stay_as_they_are(tmp_path: Path) -> None:
    """Their digits are not taken for a phone number: a step still refers to its parent."""
    trace = make_trace(steps=(STEP,), input="Write to ada@example.com")
    apps = {"shop": App(app="shop", redact=("email", "card", "phone", "ssn"))}
    privacy = PrivacyFilter.load(Lake(tmp_path / "home").open(), Catalog(root=tmp_path, apps=apps))
    filtered = privacy.filter_trace(trace)
    assert isinstance(filtered, Trace)
    assert "@" not in filtered.input
    assert filtered.steps == (STEP,)


def test_a_user_id_that_looks_random_is_still_redacted(tmp_path: Path) -> None:
    """Also where a text is nothing but the id."""
    user = "6f1d1c9a-1f0e-4f6e-9a52-0f6d1c9a1f0e"
    trace = make_trace(
        user_id=user, input="", output="", messages=(), metadata={"who": user}, steps=()
    )
    filtered = filter_trace(tmp_path / "home", trace, tmp_path)
    assert user not in repr(filtered)


HINTS = st.sampled_from(
    (
        *(
            "ada@example.com",
            "Call 415 555 0132",
            "4111 1111 1111 1111",
            "token",
            "api_key",
            SECRET,
        ),
        *("2026-10-01T12:00:00Z", "00f067aa0ba902b7", "Hq7x-29bLm", "password is Hq7x-29bLm", USER),
        *("tokens_in", "gpt-4o-2024-08-06", "https://ada:Hq7x-29bLm@example.com", "a" * 70),
    )
)
WORDS = HINTS | st.lists(HINTS | st.text(max_size=9), max_size=3).map(" ".join)
VALUES = st.recursive(
    WORDS | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(WORDS, inner)
)


@given(VALUES)
def test_redaction_does_not_change_a_value_that_is_clean(value: Json) -> None:
    """Screening all texts together misses no finding."""
    kinds, user = ("email", "card", "phone"), redaction.UserReplacement(USER, "user-1")
    redacted = redaction.Redaction(redaction.build_redactor(kinds), user).redact_value(value)
    if redaction.is_clean([value], kinds, user):
        assert redacted == value


@pytest.mark.parametrize(
    ("given", "unchanged"),
    [
        ("s-1", True),
        ("6f1d1c9a-1f0e-4f6e-9a52-0f6d1c9a1f0e", True),
        ("1730450000000", True),
        ("ada@example.com/3", False),
        ("+44 20 7946 0958", False),
        (SECRET, False),
    ],
)
def test_an_id_is_hashed_only_where_it_is_personal_itself(
    tmp_path: Path, given: str, unchanged: bool
) -> None:
    """UUIDs and counters stay as they are; addresses, phone numbers and keys do not."""
    filtered = filter_trace(
        tmp_path / "home", make_trace(session_id=given, trace_id=given), tmp_path
    )
    assert (filtered.session_id == given) is unchanged
    assert filtered.trace_id == filtered.session_id


def test_a_label_is_redacted_by_its_traces_application(tmp_path: Path) -> None:
    """Without a known application, critiques lose every kind, verdicts the common kinds."""
    privacy = PrivacyFilter.load(Lake(tmp_path / "home").open(), make_catalog(tmp_path))
    label = Label("t-1", "tone", "ada@example.com", "bob@example.com", "human", "ada@example.com")
    shop, forum, unknown = (privacy.filter_label(label, app) for app in ("shop", "forum", None))
    assert shop
    assert forum
    assert unknown
    assert "@" not in shop.verdict + shop.critique + shop.annotator
    assert forum.verdict == forum.critique == "ada@example.com"
    assert "@" not in unknown.critique
    assert unknown.verdict == "ada@example.com"
    assert shop.annotator == forum.annotator == unknown.annotator


def test_a_refusal_shows_nothing_of_the_row(tmp_path: Path) -> None:
    """Only the restricted folder has its bytes; reason and id are redacted."""
    lake = Lake(tmp_path / "home").open()
    file = tmp_path / "day.jsonl"
    rows = [
        {"trace_id": "t-1", "ts": "CANARY", "app": "shop", "input": "", "output": ""},
        {"trace_id": "ada@example.com", "ts": "2026-10-01", "app": "CANARY !", "output": ""},
    ]
    twice = '{"trace_id": "t-3", "CANARY": 1, "CANARY": 2}'
    file.write_text("\n".join([*map(json.dumps, rows), twice, "CANARY"]))
    import_file(lake, make_catalog(tmp_path), file)
    refused = read_refusals(lake)
    assert len(refused) == 4
    assert all(b"CANARY" in row.raw for row in refused)
    shown = " ".join(f"{row.reason} {row.trace_id} {row.source_file}" for row in refused)
    assert "CANARY" not in shown
    assert "@" not in shown
    for path in (lake.home / "quarantine", lake.home / "inbox"):
        assert path.stat().st_mode & 0o777 == 0o700
    (stored,) = (lake.home / "quarantine" / "files").glob("*.parquet")
    assert stored.stat().st_mode & 0o777 == 0o600


def test_erased_traces_are_not_imported_again(tmp_path: Path) -> None:
    """A trace with a tombstone and a user's traces up to the erasure are refused without bytes."""
    lake = Lake(tmp_path / "home").open()
    privacy = PrivacyFilter.load(lake, make_catalog(tmp_path))
    until = datetime(2026, 10, 1, 12, tzinfo=UTC)
    tombstones = [id_hashes.hash_tombstone(privacy.key, "t-9")]
    add_forgotten(lake, tombstones, [privacy.hash_user("bob") or ""], until)
    add_closed_nights(lake, [date(2026, 9, 1)])
    privacy = PrivacyFilter.load(lake, make_catalog(tmp_path))
    old = datetime(2026, 9, 1, 9, tzinfo=UTC)
    later = until.replace(hour=13)
    rows = [
        privacy.filter_trace(make_trace(trace_id="t-9")),
        privacy.filter_trace(make_trace(user_id="bob")),
        privacy.filter_trace(make_trace(ts=old)),
        privacy.filter_trace(make_trace(user_id="bob", ts=later)),
    ]
    codes = [row.code if isinstance(row, Refusal) else "" for row in rows]
    assert codes == ["forgotten", "forgotten", "expired", ""]
    assert all(row.raw == b"" for row in rows if isinstance(row, Refusal))
    assert privacy.filter_label(Label("t-9", "tone", "good", "bob", "human"), "shop") is None
