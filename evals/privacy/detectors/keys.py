"""API keys with a vendor's prefix: model providers', trace stores', code hosts', shops'.

A key is recognized by its prefix, alphabet and length; its validity is not checked. Secrets
without a prefix are in `secrets`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from evals.privacy.detectors.finding import Detector, find_token_end

REACH = 260
"""How far a key may extend beyond its hint, in characters."""
RANDOM = re.compile(r"(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{20}")
"""A run of twenty letters and digits, which compound words do not have."""


class KeyShape(NamedTuple):
    """The form of one vendor's keys."""

    kind: str
    hint: str
    """Part of each key and rare elsewhere: rows that match it are checked one by one."""
    key: str
    """A whole key; the rest of its token is redacted too."""


SHAPES = (
    # model providers
    KeyShape("anthropic-key", "sk-ant-", r"sk-ant-[\w-]{20,}"),
    KeyShape("openrouter-key", "sk-or-", r"sk-or-(?:v\d-)?[0-9A-Za-z]{32,}"),
    KeyShape("google-key", "AIza[0-9A-Za-z_-]{8}", r"AIza[0-9A-Za-z_-]{35}"),
    KeyShape("groq-key", "gsk_[0-9A-Za-z]{8}", "gsk_[0-9A-Za-z]{40,}"),
    KeyShape("xai-key", "xai-[0-9A-Za-z_]{8}", r"xai-[0-9A-Za-z_]{60,}"),
    KeyShape("nvidia-key", "nvapi-", r"nvapi-[\w-]{40,}"),
    KeyShape("perplexity-key", "pplx-[0-9A-Za-z]{8}", "pplx-[0-9A-Za-z]{40,}"),
    KeyShape("replicate-key", "r8_[0-9A-Za-z]{8}", "r8_[0-9A-Za-z]{37}"),
    KeyShape(
        "huggingface-token", "(?:hf|api_org)_[0-9A-Za-z]{8}", "(?:hf|api_org)_[0-9A-Za-z]{34}"
    ),
    # trace stores, search and vector databases
    KeyShape("langfuse-key", "[sp]k-lf-[0-9A-Za-z]", r"[sp]k-lf-(?=[a-zA-Z-]*\d)[0-9A-Za-z-]{16,}"),
    KeyShape("langsmith-key", "lsv2_|ls__", r"(?:lsv2_(?:pt|sk)_|ls__)[0-9a-f]{32}(?:_[0-9a-f]+)?"),
    KeyShape("pinecone-key", "pcsk_", "pcsk_[0-9A-Za-z_]{40,}"),
    KeyShape("tavily-key", "tvly-", "tvly-(?:dev-|prod-)?[0-9A-Za-z]{32}"),
    KeyShape("databricks-token", "dapi[0-9a-f]{8}", "dapi[0-9a-f]{32}"),
    # code hosts, shops and office tools
    KeyShape("github-pat", "github_pat_", r"github_pat_\w{22,}"),
    KeyShape("npm-key", "npm_[0-9A-Za-z]{8}", "npm_[0-9A-Za-z]{36}"),
    KeyShape("docker-token", "dckr_", r"dckr_[po]at_[\w-]{27,}"),
    KeyShape("slack-app-token", "(?i:xapp|xoxe)", r"(?i:xapp-\d-\w+-\d+-\w+|xoxe[.-][\w.-]{20,})"),
    KeyShape("google-oauth", r"ya29\.|GOCSPX-", r"ya29\.[\w-]{20,}|GOCSPX-[\w-]{28}"),
    KeyShape("notion-token", "ntn_", "ntn_[0-9A-Za-z]{40,}"),
    KeyShape("linear-key", "lin_api_", "lin_api_[0-9A-Za-z]{40}"),
    KeyShape(
        "atlassian-token",
        "AT[ACS]TT3|ATBB[0-9A-Za-z]{8}",
        r"AT[ACS]TT3[\w=-]{40,}|ATBB[0-9A-Za-z]{32}",
    ),
    KeyShape("shopify-token", "shp[a-z]{2}_", "shp[a-z]{2}_[0-9a-fA-F]{32}"),
    KeyShape(
        "vercel-token", "vc[aikpr]_[0-9A-Za-z]{8}", r"vc[aikpr]_(?=[A-Za-z]*\d)[0-9A-Za-z]{24,}"
    ),
    KeyShape("supabase-key", "sbp_|sb_secret_", r"sbp_[0-9a-f]{40}|sb_secret_[\w-]{20,}"),
)


def build_detector(shape: KeyShape) -> Detector:
    """Builds the detector of a vendor's keys; a key begins at the start of a word."""
    compiled = re.compile(rf"(?<![A-Za-z0-9])(?:{shape.key})")

    def find_spans(text: str) -> Iterator[tuple[int, int]]:
        for match in compiled.finditer(text):
            yield match.start(), find_token_end(text, match.end())

    return Detector(shape.kind, re.compile(shape.hint), REACH, find_spans)


ANY = re.compile(r"(?<![A-Za-z0-9])sk-(?P<rest>[\w-]{24,})")


def find_any_key(text: str) -> Iterator[tuple[int, int]]:
    """Finds keys of other vendors that begin with `sk-`, by the random run in them."""
    for match in ANY.finditer(text):
        if RANDOM.search(match["rest"]):
            yield match.start(), find_token_end(text, match.end())


KEYS = (
    *map(build_detector, SHAPES),
    Detector("sk-key", re.compile(r"sk-[\w-]{24}"), REACH, find_any_key),
)
