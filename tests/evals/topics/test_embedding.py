"""Promises of topics by a static embedding model: a tiny real one, made here without a network."""

from __future__ import annotations

import random
import shutil
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from evals.storage.documents.topic_models import read_models
from evals.storage.lake import Lake
from evals.topics.embedding import EmbeddingError, load_embedding
from evals.topics.night_requests import describe_night
from tests.evals.topics.support_requests import THINGS, make_traces

NIGHT = date(2026, 10, 1)
SENSES = {
    "parcel": ("parcel", "package", "shipment", "courier"),
    "refund": ("refund", "money", "reimburse", "payback"),
    "password": ("password", "login", "passcode", "credentials"),
}
"""Words with nearly one vector each; of each sense the last one is in no request of the first."""


def list_requests(words: int) -> list[str]:
    """A night's requests about each sense, in some of its words."""
    frames = ("please help with the {}", "{} problem again", "question about my {} today {}")
    draw = random.Random(1)
    return [
        f"{draw.choice(frames).format(*draw.sample(own[:words], 2))} {draw.choice(THINGS)}"
        for own in SENSES.values()
        for _ in range(40)
    ]


def find_sense(text: str) -> str:
    """The sense of a request."""
    return next(name for name, own in SENSES.items() if {*own} & {*text.split()})


def read_topics(lake: Lake, night: date) -> dict[str, str]:
    """The topics of a night's requests, by trace."""
    return {row.trace_id: str(row.topic) for row in lake.read("requests", [night])}


def require_extra() -> None:
    """Skips a test where the extra is not installed."""
    pytest.importorskip("model2vec", reason="the extra `embedding` is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of words in a folder, as a team has it."""
    require_extra()
    from model2vec import StaticModel
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    rng = np.random.default_rng(1)
    words = ["[UNK]"]
    vectors = [np.zeros(16)]
    for own in SENSES.values():
        sense = rng.standard_normal(16)
        words += own
        vectors += [sense + 0.1 * rng.standard_normal(16) for _ in own]
    places = {word: place for place, word in enumerate(words)}
    tokenizer = Tokenizer(WordLevel(places, unk_token=words[0]))
    tokenizer.pre_tokenizer = Whitespace()
    made = tmp_path_factory.mktemp("model")
    StaticModel(np.array(vectors, np.float32), tokenizer).save_pretrained(str(made))
    return made


def test_words_of_one_sense_share_a_topic_that_lasts(folder: Path, tmp_path: Path) -> None:
    """A word that no request had is assigned by its vector, later and without the folder."""
    model = shutil.copytree(folder, tmp_path / "model")
    lake = Lake(tmp_path / "home").open()
    lake.write("traces", NIGHT, make_traces(NIGHT, list_requests(3)))
    describe_night(lake, NIGHT, model)
    shutil.rmtree(model)
    later = NIGHT + timedelta(days=1)
    lake.write("traces", later, make_traces(later, [f"my {own[3]}" for own in SENSES.values()]))
    describe_night(lake, later, model)
    topics, senses = read_topics(lake, NIGHT), dict[str, set[str]]()
    for one in lake.read("traces", [NIGHT]):
        if (topic := topics[one.trace_id]) != "other":
            senses.setdefault(topic, set()).add(find_sense(one.input or ""))
    assert all(len(own) == 1 for own in senses.values())
    assert list(topics.values()).count("other") <= len(topics) // 10
    found = [senses[topic].pop() for topic in read_topics(lake, later).values()]
    assert found == list(SENSES)
    (stored,) = read_models(lake, "support")
    assert stored.near >= 3
    labels = " ".join(topics.values())
    assert not any(own[3] in labels for own in SENSES.values())


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors"])
def test_a_folder_that_is_no_model_is_refused(tmp_path: Path, name: str) -> None:
    """The message names the folder and the file that it lacks, and nothing is fetched."""
    for one in {"tokenizer.json", "model.safetensors"} - {name}:
        (tmp_path / one).write_text("{}")
    with pytest.raises(EmbeddingError, match=f"has no {name}") as refused:
        load_embedding(tmp_path)
    assert str(tmp_path) in str(refused.value)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    """Other content is no model, and without the extra the message explains how to get it."""
    for one in ("tokenizer.json", "model.safetensors"):
        (tmp_path / one).write_text("{}")
    with pytest.raises(EmbeddingError, match=r"can be read|extra `andon\[embedding\]`"):
        load_embedding(tmp_path)
