"""Promises of topics: what is found in requests, in any language, and what of them is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from evals.topics.fitting import LEAST_TEXTS, Request, fit_topics, sample_requests
from evals.topics.tokens import list_terms
from evals.topics.topic_model import TopicModel
from tests.evals.topics.support_requests import ARABIC, JAPANESE, TEMPLATES, make_texts


def make_requests(texts: Sequence[str]) -> list[Request]:
    """Requests of a person each."""
    return [Request(text, f"user-{number}") for number, text in enumerate(texts)]


def fit(texts: Sequence[str]) -> TopicModel:
    """The model of some requests."""
    model = fit_topics(sample_requests(make_requests(texts)))
    assert model is not None
    return model


@pytest.mark.parametrize("templates", [TEMPLATES, JAPANESE, ARABIC], ids=["en", "ja", "ar"])
def test_requests_about_one_thing_share_a_topic(templates: Mapping[str, Sequence[str]]) -> None:
    """In scripts with spaces and without: a topic has requests about one thing, and is named so."""
    made = make_texts(400, templates=templates)
    model = fit([text for _, text in made])
    found = model.match_requests([text for _, text in make_texts(200, 1, templates)])
    pairs = Counter(
        (match.group, about)
        for match, (about, _) in zip(found, make_texts(200, 1, templates), strict=True)
        if match.group >= 0
    )
    purest = sum(
        max(n for (of, _), n in pairs.items() if of == group) for group in {g for g, _ in pairs}
    )
    assert pairs.total() >= 150
    assert purest / pairs.total() >= 0.9


def test_a_topic_is_named_by_what_sets_it_apart() -> None:
    """Greetings and function words are in no label."""
    labels = [group.terms for group in fit([text for _, text in make_texts(400)]).groups]
    words = {word for terms in labels for word in terms}
    assert {"refund", "parcel", "password"} <= words
    assert words.isdisjoint({"hello", "my", "the", "is", "there"})


def test_the_same_requests_give_the_same_model() -> None:
    """To the last coordinate, whatever was computed before."""
    texts = [text for _, text in make_texts(200)]
    first, again = fit(texts), fit(texts)
    assert first.groups == again.groups
    assert (first.projection.components == again.projection.components).all()


def test_few_requests_have_no_topics() -> None:
    """Fifty different ones are the least, however often each is made."""
    texts = [text for _, text in make_texts(4 * LEAST_TEXTS)]
    different = list({tuple(sorted(list_terms(text))): text for text in texts}.values())
    few = different[: LEAST_TEXTS - 1]
    assert fit_topics(sample_requests(make_requests(few * 20))) is None
    assert fit_topics(sample_requests(make_requests(["?!", "", "123"] * 100))) is None


def test_a_term_of_few_people_is_not_stored() -> None:
    """A name that one person writes in many requests is neither a term nor in a label."""
    requests = make_requests([text for _, text in make_texts(300)])
    own = [Request(f"{request.text} Zacharias", "one") for request in requests[:60]]
    model = fit_topics(sample_requests([*requests[60:], *own]))
    assert model is not None
    assert "zacharias" not in {*model.projection.weights, *model.projection.ignored}


def test_an_unlike_request_is_in_no_topic() -> None:
    """Neither one of other words, nor one without any."""
    model = fit([text for _, text in make_texts(300)])
    texts = ["quantum chess opera for two violins", "", "12345", "\ud800", "🙂🙂"]
    assert [match.group for match in model.match_requests(texts)] == [-1] * 5


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Don't send [redacted:email] 2 e-mails!", ["do", "send", "mails"]),
        ("パスワードを忘れました", ["パスワード", "忘"]),
        ("返金状況", ["返金", "金状", "状況"]),
        ("كِتَابٌ", ["كتاب"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("ＡＢＣ straße", ["abc", "strasse"]),
    ],
)
def test_terms_are_words_or_pairs_of_characters(text: str, terms: Sequence[str]) -> None:
    """Case, width, vowel signs, numbers and redactions do not matter."""
    assert list_terms(text) == terms
