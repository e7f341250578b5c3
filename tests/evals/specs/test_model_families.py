"""Which family a model's id names."""

from __future__ import annotations

import pytest

from evals.specs.model_families import find_family


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-4o-2024-08-06", "GPT"),
        ("openai/o3-mini", "GPT"),
        ("chatgpt-4o-latest", "GPT"),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", "Claude"),
        ("models/gemini-2.5-flash", "Gemini"),
        ("meta-llama/Llama-3.1-8B-Instruct", "Llama"),
        ("Meta-Llama3-70B", "Llama"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "Mistral"),
        ("Qwen2.5-7B-Instruct", "Qwen"),
        ("deepseek-r1-distill-llama-8b", "DeepSeek"),
        ("SmolLM2-135M-Instruct", "SmolLM"),
        ("our-own-model-7b", None),
        ("phial", None),
        ("", None),
        (None, None),
    ],
)
def test_the_family_of_a_model(model: str | None, family: str | None) -> None:
    """A known family is found in any provider's way to write an id, and nothing else is one."""
    assert find_family(model) == family
