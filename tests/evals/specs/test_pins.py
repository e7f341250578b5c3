"""Promises of pins: what an id promises is told by its name, and the catalog's policy holds."""

import re
import typing
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from evals import specs
from evals.evaluators import judges
from evals.specs import CatalogError, Floating, ModelPin, Pinned, Unverifiable, classify

SHA = "a" * 40


def pin(model: str, **keys: Any) -> ModelPin:
    """A pin by its id."""
    return ModelPin(name="m", model=model, **keys)


@pytest.mark.parametrize(
    ("model", "promise"),
    [
        ("gpt-4.1-mini-2025-04-14", Pinned),
        ("gpt-4-0613", Pinned),
        ("gpt-4-1106-preview", Pinned),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc", Pinned),
        ("gpt-5.6-sol-2026-10-01", Pinned),
        ("gpt-4o", Floating),
        ("chatgpt-4o-latest", Floating),
        ("openai/gpt-4o", Floating),
        ("gpt-5.5", Floating),
        ("gpt-5.6-sol", Unverifiable),
        ("gpt-6.2-astra", Unverifiable),
        ("claude-sonnet-4-5-20250929", Pinned),
        ("claude-3-5-sonnet@20240620", Pinned),
        ("us.anthropic.claude-3-5-sonnet-20241022-v2:0", Pinned),
        ("us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", Pinned),
        ("claude-opus-4-6", Pinned),
        ("claude-opus-4-6-latest", Floating),
        ("anthropic.claude-opus-4-6-v1:0", Pinned),
        ("claude-sonnet-5", Pinned),
        ("claude-sonnet-4-5", Floating),
        ("claude-3-5-sonnet-latest", Floating),
        ("claude-opus-4-5@default", Floating),
        ("gemini-2.0-flash-001", Pinned),
        ("gemini-2.5-flash-preview-09-2025", Pinned),
        ("gemini-2.5-flash-preview-05-20", Pinned),
        ("gemini-2.0-flash", Floating),
        ("gemini-flash-latest", Floating),
        ("mistral-large-2411", Pinned),
        ("mistral-large-latest", Floating),
        (f"Qwen/Qwen2.5-7B-Instruct@{SHA}", Pinned),
        ("Qwen/Qwen2.5-7B-Instruct@main", Floating),
        ("Qwen/Qwen2.5-7B-Instruct", Unverifiable),
        ("llama3.1:8b", Floating),
        ("gpt-oss-20b", Unverifiable),
        ("our-judge", Unverifiable),
    ],
)
def test_an_id_is_pinned_floating_or_not_to_be_told(model: str, promise: type) -> None:
    """Each provider's own way of naming decides, a router's prefix left aside."""
    found = classify(pin(model, base_url="http://localhost/v1"))
    assert isinstance(found, promise), found
    assert found.reason


def test_weights_are_pinned_by_digest_or_commit() -> None:
    """A file's digest and a commit hold; a branch moves; a deployment's name says nothing."""
    assert isinstance(classify(pin("llama3.1:8b", sha256="0" * 64)), Pinned)
    assert isinstance(classify(pin("our-judge", revision=SHA)), Pinned)
    assert isinstance(classify(pin("our-judge", revision="main")), Floating)
    azure = {"endpoint": "https://a.example", "deployment": "judge", "api_version": "2024-10-21"}
    deployed = {"name": "m", "azure": azure}
    named = ModelPin.model_validate({**deployed, "model": "gpt-4.1-mini-2025-04-14"})
    nameless = ModelPin.model_validate({**deployed, "model": "judge"})
    assert isinstance(classify(named), Pinned)
    assert isinstance(classify(nameless), Unverifiable)


def ids(kind: Any) -> set[str]:
    """The ids a type of the client library names."""
    if typing.get_origin(kind) is typing.Literal:
        return set(typing.get_args(kind))
    return set().union(*(ids(part) for part in typing.get_args(kind)))


def test_every_id_the_client_library_knows_has_its_class() -> None:
    """Of the 115 ids in openai 3.54, 48 are pinned, 52 float and 15 cannot be told."""
    from openai.types.shared import AllModels

    known = ids(AllModels)
    counts = Counter(type(classify(pin(model))).__name__ for model in known)
    assert (len(known), dict(counts)) == (
        115,
        {"Pinned": 48, "Floating": 52, "Unverifiable": 15},
    )


def test_an_alias_with_a_dated_id_of_its_own_is_told_which() -> None:
    """The ids that the client library dates are those a refusal can name."""
    from openai.types.shared import AllModels

    known = ids(AllModels)
    date_of = r"-(\d{4}-\d\d-\d\d|\d{4})$"
    dated = known & {re.sub(date_of, "", name) for name in known if re.search(date_of, name)}
    assert len(dated) > 30
    for alias in sorted(dated):
        promise = classify(pin(alias))
        assert isinstance(promise, Floating), alias
        assert promise.instead in known, alias


def test_every_pin_to_use_instead_is_pinned_itself() -> None:
    """The table leads from an alias to an id that holds, and never further."""
    from evals.specs.pins import INSTEAD

    for alias, instead in INSTEAD.items():
        assert isinstance(classify(pin(alias)), Floating), alias
        assert isinstance(classify(pin(instead)), Pinned), instead


def catalog(root: Path, models: str, settings: str = "", judge: str = "") -> Path:
    """A catalog of some models, with a judge where asked for."""
    (root / "judges").mkdir(exist_ok=True)
    (root / "models.yaml").write_text(models)
    (root / "catalog.yaml").write_text(settings)
    if judge:
        (root / "judges" / "j.yaml").write_text(judge)
    specs.load_catalog.cache_clear()
    return root


def test_an_alias_is_refused_with_the_pin_to_use_instead(tmp_path: Path) -> None:
    """The error names file, line, key and what to write there."""
    root = catalog(
        tmp_path, "a: {model: gpt-4.1-2025-04-14}\nb:\n  concurrency: 2\n  model: gpt-4o"
    )
    with pytest.raises(CatalogError) as raised:
        specs.load_catalog(root)
    said = str(raised.value)
    assert f"{root / 'models.yaml'}:4: b.model: " in said
    assert "use gpt-4o-2024-08-06" in said
    assert "pins: record" in said


def test_record_lets_an_alias_run_for_one_model_or_for_all(tmp_path: Path) -> None:
    """The pin's own policy wins over the catalog's."""
    floating = "m: {model: gpt-4o}"
    found = specs.load_catalog(catalog(tmp_path, floating, "pins: record"))
    assert found.models["m"].pins == "record"
    own = "m: {model: gpt-4o, pins: record}"
    assert specs.load_catalog(catalog(tmp_path, own)).models["m"].pins == "record"
    strict = "m: {model: gpt-4o, pins: strict}"
    with pytest.raises(CatalogError, match=r"m\.model"):
        specs.load_catalog(catalog(tmp_path, strict, "pins: record"))


def test_an_id_that_does_not_say_runs_under_strict(tmp_path: Path) -> None:
    """Nothing better may exist; the report is stamped instead."""
    found = specs.load_catalog(catalog(tmp_path, "m: {model: gpt-6-sol}"))
    assert found.models["m"].pins == "strict"


def test_the_demo_is_pinned() -> None:
    """The shipped catalog obeys the default policy."""
    root = Path(specs.__file__).parents[1] / "catalog"
    pins = specs.load_catalog(root).models.values()
    assert [type(classify(one)) for one in pins] == [Pinned]


@pytest.mark.parametrize(
    "address",
    [
        "http://me:sk-secret@host/v1",
        "https://host/v1?key=sk-secret",
        "sk-secret",
        "file:///sk-secret",
    ],
)
def test_an_address_holds_no_secret(tmp_path: Path, address: str) -> None:
    """A key in `base_url` is refused, and not repeated."""
    with pytest.raises(CatalogError, match=r"m\.base_url") as raised:
        specs.load_catalog(catalog(tmp_path, f"m: {{model: x, base_url: '{address}'}}"))
    assert "sk-secret" not in f"{raised.value}{raised.value.__cause__}"


def test_an_azure_version_may_stand_without_quotes(tmp_path: Path) -> None:
    """YAML makes a date of it, the catalog makes it a version again."""
    where = "{endpoint: 'https://a.example', deployment: d, api_version: 2024-10-21}"
    found = specs.load_catalog(catalog(tmp_path, f"m: {{model: d, azure: {where}}}"))
    azure = found.models["m"].azure
    assert azure is not None
    assert azure.api_version == "2024-10-21"


def test_a_model_that_thinks_has_no_first_word(tmp_path: Path) -> None:
    """A judge by token probabilities needs a model that gives them."""
    judge = "{judge: j, asks: a, model: m, system: s, mode: logprobs}"
    root = catalog(tmp_path, "m: {model: gpt-5-2025-08-07}", judge=judge)
    with pytest.raises(CatalogError, match=r"j\.yaml:1: mode: m thinks"):
        specs.load_catalog(root)


JUDGE = specs.Judge(judge="j", asks="a", model="m", system="s", max_chars=6000)


def version(one: ModelPin) -> dict[str, str]:
    """What a paid answer depends on."""
    return judges.answer_parts(JUDGE, one)


def test_where_a_model_is_served_is_no_part_of_a_version() -> None:
    """A server that moves or a key under another name asks nothing again."""
    here = pin("our-judge", base_url="http://a/v1", revision=SHA)
    moved = here.model_copy(
        update={"base_url": "http://b/v1", "api_key_env": "OTHER", "timeout_s": 5, "pins": "record"}
    )
    assert version(here) == version(moved)
    for change in ({"model": "x"}, {"revision": "b" * 40}, {"sha256": "0" * 64}):
        assert version(here)["model"] != version(here.model_copy(update=change))["model"]
    for change in ({"api": "responses"}, {"reasoning_effort": "low"}, {"reasoning": True}):
        assert version(here)["parameters"] != version(here.model_copy(update=change))["parameters"]
    assert version(here)["answer"] != version(pin("our-judge", structured=False))["answer"]


def test_the_versions_of_plain_pins_are_those_of_old() -> None:
    """A pin that declares none of the newer keys costs nobody an answer."""
    found = version(pin("our-judge"))
    assert found["model"] == "ddb3ecf7b715540b"
    assert found["parameters"] == "c2fa2b20e136bb1e"
    assert found["answer"] == "58bde2d2104a2366"


def test_a_night_s_pin_is_asked_where_the_catalog_now_says() -> None:
    """As long as it is the same model; its prompt and parameters stay as they were."""
    kept = pin("our-judge", base_url="http://old/v1", structured=False)
    now = pin("our-judge", base_url="http://new/v1", api_key_env="K", concurrency=3)
    served = kept.served_as(now)
    assert (served.base_url, served.api_key_env, served.concurrency) == ("http://new/v1", "K", 3)
    assert served.structured is False
    assert kept.served_as(pin("another", base_url="http://new/v1")) == kept
    assert kept.served_as(None) == kept
