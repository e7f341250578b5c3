"""Keys of the makers a team meets: each is found and wholly gone, and what only looks alike stays.

The keys are put together here of made-up parts, so that no scanner finds one in this file.
"""

from __future__ import annotations

import random
import string
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evals.privacy import detectors
from evals.privacy.redaction import PrivacyFilter
from evals.records import Trace
from evals.specs import Catalog

LETTERS, HEX = string.ascii_letters + string.digits, "0123456789abcdef"
SECRET_KINDS = detectors.SECRET_KINDS


def made(alphabet: str, size: int) -> str:
    """So many letters by chance, digits and letters among them, always the same."""
    rng = random.Random(f"{alphabet}{size}")
    return "a1" + "".join(rng.choice(alphabet) for _ in range(size - 2))


UUID = "-".join(made(HEX, size) for size in (8, 4, 4, 4, 12))
KEYS = [
    ("anthropic-key", "sk-ant-", f"api03-{made(LETTERS, 93)}AA"),
    ("openai-key", "sk-proj-", f"{made(LETTERS, 74)}T3BlbkFJ{made(LETTERS, 20)}"),
    ("sk-key", "sk-proj-", made(LETTERS, 120)),
    ("sk-key", "sk-svcacct-", f"{made(LETTERS, 40)}-{made(LETTERS, 20)}"),
    ("sk-key", "sk-", made(LETTERS, 48)),
    ("sk-key", "sk-", made(HEX, 32)),
    ("openrouter-key", "sk-or-v1-", made(HEX, 64)),
    ("google-key", "AIza", made(LETTERS, 35)),
    ("groq-key", "gsk_", made(LETTERS, 52)),
    ("xai-key", "xai-", made(LETTERS, 80)),
    ("nvidia-key", "nvapi-", made(LETTERS, 64)),
    ("perplexity-key", "pplx-", made(LETTERS, 48)),
    ("replicate-key", "r8_", made(LETTERS, 37)),
    ("huggingface-token", "hf_", made(LETTERS, 34)),
    ("huggingface-token", "api_org_", made(LETTERS, 34)),
    ("langfuse-key", "sk-lf-", UUID),
    ("langfuse-key", "pk-lf-", UUID),
    ("langsmith-key", "lsv2_pt_", f"{made(HEX, 32)}_{made(HEX, 10)}"),
    ("langsmith-key", "lsv2_sk_", f"{made(HEX, 32)}_{made(HEX, 10)}"),
    ("langsmith-key", "ls__", made(HEX, 32)),
    ("pinecone-key", "pcsk_", f"{made(LETTERS, 6)}_{made(LETTERS, 63)}"),
    ("tavily-key", "tvly-dev-", made(LETTERS, 32)),
    ("databricks-token", "dapi", made(HEX, 32)),
    ("github-token", "ghp_", made(LETTERS, 36)),
    ("github-token", "gho_", made(LETTERS, 36)),
    ("github-pat", "github_pat_", f"{made(LETTERS, 22)}_{made(LETTERS, 59)}"),
    ("gitlab-token", "glpat-", made(LETTERS, 20)),
    ("npm-key", "npm_", made(LETTERS, 36)),
    ("docker-token", "dckr_pat_", made(LETTERS, 27)),
    ("pypi-token", "pypi-", f"AgEIcHlwaS5vcmc{made(LETTERS, 80)}"),
    ("slack-token", "xoxb-", f"123456789012-123456789012-{made(LETTERS, 24)}"),
    ("slack-token", "xoxp-", f"123456789012-123456789012-{made(LETTERS, 24)}"),
    ("slack-app-token", "xapp-1-", f"A01ABCDEF-1234567890123-{made(HEX, 64)}"),
    ("slack-app-token", "xoxe.xoxp-1-", made(LETTERS, 60)),
    ("google-oauth", "ya29.", made(LETTERS, 60)),
    ("google-oauth", "GOCSPX-", made(LETTERS, 28)),
    ("aws-key", "AKIA", "QYLPMN5HFIQR7XYA"),
    ("aws-key", "ASIA", "QYLPMN5HFIQR7XYA"),
    ("notion-token", "ntn_", made(LETTERS, 46)),
    ("linear-key", "lin_api_", made(LETTERS, 40)),
    ("supabase-key", "sbp_", made(HEX, 40)),
    ("supabase-key", "sb_secret_", made(LETTERS, 31)),
]
NAMED = [pytest.param(*one, id=f"{one[0]} {one[1]}") for one in KEYS]
NEAR = [
    "from huggingface_hub import hf_hub_download; hf_hub_download(repo_id='a/b')",
    "HF_HUB_ENABLE_HF_TRANSFER=1 and hf_transfer_enabled_by_default_for_everyone_now",
    "npm_config_cache, npm_lifecycle_event and npm_package_version are variables",
    "xai-org/grok-1 and the xai-sdk; sk-learn-contrib-imbalanced-learning-pipelines",
    "a desk-with-drawers-and-20-compartments-for-the-home, task-a1b2c3d4e5f6a7b8c9d0e1f2a3",
    "set LANGFUSE_SECRET_KEY to sk-lf-... and pk-lf-your-own-public-key-here",
    "langsmith: lsv2_pt_<your key>; ls__init__ and ls__all",
    "gsk_tests, gsk_short1, pplx-api, r8_short, tvly-dev, pcsk_env, dapi2 and dapinotahexvalue",
    "AIzawa Kenji lives here; AIza is a beginning",
    "ya29.md, ghp_short, github_pat_ is a prefix, glpat-x, xoxb-your-token, xapp-1-x",
    "The id 3f2b8c1e-9a77-4d0e-8f55-0a1b2c3d4e5f, 85c2b1e7f3a9c81be7d24c05a6f00b19c81be7d2",
    "the model ask-anything-2024-07-18-preview-with-long-name answered",
]  # fmt: skip


@pytest.mark.parametrize(("kind", "begins", "rest"), NAMED)
def test_a_key_is_found_and_nothing_of_it_stays(kind: str, begins: str, rest: str) -> None:
    """In prose, in JSON and behind a path; its kind is told, and its beginning goes too."""
    key = begins + rest
    for text in (f"My key is {key}, use it.", f'{{"k": "{key}"}}', f"https://x.org/?k={key}"):
        found = detectors.find_all(text, SECRET_KINDS)
        assert [text[one.start : one.end] for one in found if one.kind == kind] == [key]
        clean = detectors.build_redactor(SECRET_KINDS)(text)
        assert rest[:8] not in clean
        assert detectors.format_mark(kind) in clean
    assert detectors.may_be_key(key)


@pytest.mark.parametrize("text", NEAR)
def test_what_only_begins_alike_stays(text: str) -> None:
    """Names of functions, variables and packages, placeholders and hashes are no keys."""
    assert detectors.find_all(text, SECRET_KINDS) == []


def test_an_id_that_is_a_key_is_hashed_at_the_door(tmp_path: Path) -> None:
    """Whichever maker's: a session or trace named by a key does not show it."""
    door = PrivacyFilter(Catalog(root=tmp_path), key=b"k" * 32)
    for _, begins, rest in KEYS:
        trace = Trace(
            trace_id=begins + rest,
            session_id=begins + rest,
            ts=datetime(2026, 10, 1, tzinfo=UTC),
            app="chat",
            output="Hello.",
        )
        kept = door.filter_trace(trace)
        assert isinstance(kept, Trace)
        assert kept.trace_id.startswith("id-")
        assert kept.session_id == kept.trace_id
