"""Promises of pins: each id is classified by its name, and the catalog's policy applies."""

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


def build_pin(model: str, **keys: Any) -> ModelPin:
    """Builds a pin by its id."""
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
def test_an_id_is_pinned_floating_or_unverifiable(model: str, promise: type) -> None:
    """Each provider's naming scheme decides, and a router's prefix is ignored."""
    classified = classify(build_pin(model, base_url="http://localhost/v1"))
    assert isinstance(classified, promise), classified
    assert classified.reason


def test_weights_are_pinned_by_digest_or_commit() -> None:
    """A digest and a commit pin; a branch floats; a deployment's name is unverifiable."""
    assert isinstance(classify(build_pin("llama3.1:8b", sha256="0" * 64)), Pinned)
    assert isinstance(classify(build_pin("our-judge", revision=SHA)), Pinned)
    assert isinstance(classify(build_pin("our-judge", revision="main")), Floating)
    azure = {"endpoint": "https://a.example", "deployment": "judge", "api_version": "2024-10-21"}
    deployed = {"name": "m", "azure": azure}
    named = ModelPin.model_validate({**deployed, "model": "gpt-4.1-mini-2025-04-14"})
    nameless = ModelPin.model_validate({**deployed, "model": "judge"})
    assert isinstance(classify(named), Pinned)
    assert isinstance(classify(nameless), Unverifiable)


def list_ids(kind: Any) -> set[str]:
    """Lists the ids in a type of the client library."""
    if typing.get_origin(kind) is typing.Literal:
        return set(typing.get_args(kind))
    return set().union(*(list_ids(part) for part in typing.get_args(kind)))


def test_every_id_of_the_client_library_has_its_class() -> None:
    """Of the 115 ids in openai 3.54, 48 are pinned, 52 float and 15 are unverifiable."""
    from openai.types.shared import AllModels

    known_ids = list_ids(AllModels)
    counts = Counter(type(classify(build_pin(model))).__name__ for model in known_ids)
    assert (len(known_ids), dict(counts)) == (
        115,
        {"Pinned": 48, "Floating": 52, "Unverifiable": 15},
    )


def test_an_alias_names_its_dated_id() -> None:
    """Every alias with a dated id in the client library suggests an id that exists."""
    from openai.types.shared import AllModels

    known_ids = list_ids(AllModels)
    date_of = r"-(\d{4}-\d\d-\d\d|\d{4})$"
    dated = known_ids & {
        re.sub(date_of, "", name) for name in known_ids if re.search(date_of, name)
    }
    assert len(dated) > 30
    for alias in sorted(dated):
        promise = classify(build_pin(alias))
        assert isinstance(promise, Floating), alias
        assert promise.instead in known_ids, alias


def test_every_pin_to_use_instead_is_pinned_itself() -> None:
    """The table leads from a floating alias to a pinned id in one step."""
    from evals.specs.pins import INSTEAD

    for alias, instead in INSTEAD.items():
        assert isinstance(classify(build_pin(alias)), Floating), alias
        assert isinstance(classify(build_pin(instead)), Pinned), instead


def write_catalog(root: Path, models: str, settings: str = "", judge: str = "") -> Path:
    """Writes a catalog of some models, and a judge if given."""
    (root / "judges").mkdir(exist_ok=True)
    (root / "models.yaml").write_text(models)
    (root / "catalog.yaml").write_text(settings)
    if judge:
        (root / "judges" / "j.yaml").write_text(judge)
    specs.load_catalog.cache_clear()
    return root


def test_an_alias_is_refused_with_the_pin_to_use_instead(tmp_path: Path) -> None:
    """The error names file, line, key and what to write there."""
    root = write_catalog(
        tmp_path, "a: {model: gpt-4.1-2025-04-14}\nb:\n  concurrency: 2\n  model: gpt-4o"
    )
    with pytest.raises(CatalogError) as raised:
        specs.load_catalog(root)
    message = str(raised.value)
    assert f"{root / 'models.yaml'}:4: b.model: " in message
    assert "use gpt-4o-2024-08-06" in message
    assert "pins: record" in message


def test_record_lets_an_alias_run_for_one_model_or_for_all(tmp_path: Path) -> None:
    """The pin's own policy outranks the catalog's."""
    floating = "m: {model: gpt-4o}"
    loaded = specs.load_catalog(write_catalog(tmp_path, floating, "pins: record"))
    assert loaded.models["m"].pins == "record"
    own = "m: {model: gpt-4o, pins: record}"
    assert specs.load_catalog(write_catalog(tmp_path, own)).models["m"].pins == "record"
    strict = "m: {model: gpt-4o, pins: strict}"
    with pytest.raises(CatalogError, match=r"m\.model"):
        specs.load_catalog(write_catalog(tmp_path, strict, "pins: record"))


def test_an_unverifiable_id_runs_under_strict(tmp_path: Path) -> None:
    """It is accepted under the default policy."""
    loaded = specs.load_catalog(write_catalog(tmp_path, "m: {model: gpt-6-sol}"))
    assert loaded.models["m"].pins == "strict"


def test_the_demo_is_pinned() -> None:
    """The shipped catalog obeys the default policy."""
    root = Path(specs.__file__).parents[1] / "catalog"
    pins = specs.load_catalog(root).models.values()
    assert [type(classify(shipped)) for shipped in pins] == [Pinned]


@pytest.mark.parametrize(
    "address",
    [
        "http://me:sk-secret@host/v1",
        "https://host/v1?key=sk-secret",
        "sk-secret",
        "file:///sk-secret",
    ],
)
def test_a_secret_in_an_address_is_refused(tmp_path: Path, address: str) -> None:
    """A key in `base_url` is refused, and not repeated."""
    with pytest.raises(CatalogError, match=r"m\.base_url") as raised:
        specs.load_catalog(write_catalog(tmp_path, f"m: {{model: x, base_url: '{address}'}}"))
    assert "sk-secret" not in f"{raised.value}{raised.value.__cause__}"


def test_an_azure_version_needs_no_quotes(tmp_path: Path) -> None:
    """YAML reads it as a date, and the catalog turns it into a version again."""
    where = "{endpoint: 'https://a.example', deployment: d, api_version: 2024-10-21}"
    loaded = specs.load_catalog(write_catalog(tmp_path, f"m: {{model: d, azure: {where}}}"))
    azure = loaded.models["m"].azure
    assert azure is not None
    assert azure.api_version == "2024-10-21"


def test_a_reasoning_model_has_no_first_token(tmp_path: Path) -> None:
    """A judge by token probabilities needs a model that gives them."""
    judge = "{judge: j, asks: a, model: m, system: s, mode: logprobs}"
    root = write_catalog(tmp_path, "m: {model: gpt-5-2025-08-07}", judge=judge)
    with pytest.raises(CatalogError, match=r"j\.yaml:1: mode: m thinks"):
        specs.load_catalog(root)


JUDGE = specs.Judge(judge="j", asks="a", model="m", system="s", max_chars=6000)


def answer_version(served: ModelPin) -> dict[str, str]:
    """Computes the parts of a paid answer's version."""
    return judges.answer_parts(JUDGE, served)


def test_a_model_s_address_is_no_part_of_a_version() -> None:
    """A moved server or a renamed key variable repeats no call."""
    here = build_pin("our-judge", base_url="http://a/v1", revision=SHA)
    moved = here.model_copy(
        update={"base_url": "http://b/v1", "api_key_env": "OTHER", "timeout_s": 5, "pins": "record"}
    )
    assert answer_version(here) == answer_version(moved)
    for change in ({"model": "x"}, {"revision": "b" * 40}, {"sha256": "0" * 64}):
        assert (
            answer_version(here)["model"] != answer_version(here.model_copy(update=change))["model"]
        )
    for change in ({"api": "responses"}, {"reasoning_effort": "low"}, {"reasoning": True}):
        assert (
            answer_version(here)["parameters"]
            != answer_version(here.model_copy(update=change))["parameters"]
        )
    assert (
        answer_version(here)["answer"]
        != answer_version(build_pin("our-judge", structured=False))["answer"]
    )


def test_the_versions_of_plain_pins_are_unchanged() -> None:
    """A pin without the newer keys has the versions it always had."""
    parts = answer_version(build_pin("our-judge"))
    assert parts["model"] == "ddb3ecf7b715540b"
    assert parts["parameters"] == "c2fa2b20e136bb1e"
    assert parts["answer"] == "58bde2d2104a2366"


def test_a_night_s_pin_is_served_at_the_catalog_s_present_address() -> None:
    """It is so for the same model only, and parameters stay as they were."""
    locked = build_pin("our-judge", base_url="http://old/v1", structured=False)
    now = build_pin("our-judge", base_url="http://new/v1", api_key_env="K", concurrency=3)
    served = locked.served_as(now)
    assert (served.base_url, served.api_key_env, served.concurrency) == ("http://new/v1", "K", 3)
    assert served.structured is False
    assert locked.served_as(build_pin("another", base_url="http://new/v1")) == locked
    assert locked.served_as(None) == locked
