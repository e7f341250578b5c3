"""P(yes) of a model's answer, computed from the log probabilities of its tokens.

Which probability passes is the judge's threshold.
"""

from __future__ import annotations

import math
import string

from evals.models.answer_fields import require_list, require_object, require_text
from evals.records import Json

BLANKS = string.whitespace + "\u00a0▁ĠĊ"
"""White space, and the letters that stand for it in tokens: `▁Yes` of SentencePiece, `ĠYes` and
`ĊYes` of byte-pair tokenizers."""

PUNCTUATION = ".,\"'"


def read_p_yes(logprobs: dict[str, Json]) -> float | None:
    """Returns P(yes) of an answer's first word; None where there are no log probabilities.

    Raises:
        SHAPE_ERRORS: when they have another form.
    """
    tokens = logprobs.get("content")
    if tokens:
        return read_first_word(tokens)
    likely = logprobs.get("top_logprobs")  # the form of the older completions, as Together's
    if not likely:
        return None
    first = require_object(require_list(likely)[0])
    return compute_p_yes([{"token": word, "logprob": logprob} for word, logprob in first.items()])


def is_first_token(logprobs: dict[str, Json], text: str) -> bool:
    """Whether the log probabilities begin with the answer's text, and not with its reasoning."""
    tokens = require_list(logprobs.get("content") or [{}])
    word = require_text(require_object(tokens[0]).get("token", "")).strip(BLANKS)
    return bool(word) and text.lstrip().startswith(word)


def read_first_word(tokens: Json) -> float | None:
    """Returns P(yes) at the first token; where that is blank, at the one after it."""
    for token in map(require_object, require_list(tokens)):
        p_yes = compute_p_yes(token.get("top_logprobs") or [])
        if p_yes is not None or require_text(token.get("token", "?")).strip(BLANKS):
            return p_yes
    return None


def compute_p_yes(candidates: Json) -> float | None:
    """Computes P(yes) / (P(yes) + P(no)) from the first token's candidates.

    None when neither word is among them.
    """
    mass = {"yes": 0.0, "no": 0.0}
    for candidate in map(require_object, require_list(candidates)):
        word = require_text(candidate["token"]).strip(BLANKS).lower().strip(PUNCTUATION)
        if word in mass:
            logprob = candidate["logprob"]
            if not isinstance(logprob, int | float):
                raise TypeError
            mass[word] += math.exp(min(logprob, 0.0))
    total = sum(mass.values())
    return mass["yes"] / total if total else None
