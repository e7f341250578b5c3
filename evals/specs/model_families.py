"""Which family a model belongs to: a judge prefers answers of its own (Panickssery et al. 2024)."""

from __future__ import annotations

import re

FAMILIES = {
    "GPT": r"(chat)?gpt|o[1-9]|davinci|codex",
    "Claude": r"claude",
    "Gemini": r"gemini|gemma|palm|bison",
    "Llama": r"llama|codellama|vicuna|alpaca",
    "Mistral": r"mistral|mixtral|ministral|magistral|codestral|devstral|pixtral",
    "Qwen": r"qwen|qwq|qvq",
    "DeepSeek": r"deepseek",
    "Grok": r"grok",
    "Command": r"command|aya",
    "Phi": r"phi",
    "SmolLM": r"smollm",
    "Nova": r"nova|titan",
    "Kimi": r"kimi|moonshot",
    "GLM": r"glm|chatglm",
    "Granite": r"granite",
    "Falcon": r"falcon",
    "Yi": r"yi",
    "Jamba": r"jamba|jurassic|j2",
}
"""Families with the words that begin their models' names."""
WORDS = re.compile(r"[a-z]+[0-9]*|[0-9]+")
PATTERNS = {family: re.compile(rf"(?:{words})[0-9]*") for family, words in FAMILIES.items()}


def find_family(model: str | None) -> str | None:
    """Finds the family of a model by its id, such as `openai/gpt-4o`; None where it is not known.

    A distilled model, such as `deepseek-r1-distill-llama-8b`, is of the family named first.
    """
    for word in WORDS.findall((model or "").rpartition("/")[2].lower()):
        for family, pattern in PATTERNS.items():
            if pattern.fullmatch(word):
                return family
    return None
