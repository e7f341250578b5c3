"""Each vendor's keys are found and redacted whole; look-alikes stay.

The keys are assembled here from random parts, so that no scanner finds one in this file.
"""

from __future__ import annotations

import random
import string
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evals.privacy import detectors
from evals.privacy.row_filter import PrivacyFilter
from evals.records import Trace
from evals.specs import Catalog

LETTERS, HEX = string.ascii_letters + string.digits, "0123456789abcdef"
SECRET_KINDS = detectors.SECRET_KINDS


def draw_text(alphabet: str, size: int) -> str:
    """A random text with a letter and a digit, always the same."""
    rng = random.Random(f"{alphabet}{size}")
    return "a1" + "".join(rng.choice(alphabet) for _ in range(size - 2))


UUID = "-".join(draw_text(HEX, size) for size in (8, 4, 4, 4, 12))
KEYS = [
    ("anthropic-key", "sk-ant-", f"api03-{draw_text(LETTERS, 93)}AA"),
    ("openai-key", "sk-proj-", f"{draw_text(LETTERS, 74)}T3BlbkFJ{draw_text(LETTERS, 20)}"),
    ("sk-key", "sk-proj-", draw_text(LETTERS, 120)),
    ("sk-key", "sk-svcacct-", f"{draw_text(LETTERS, 40)}-{draw_text(LETTERS, 20)}"),
    ("sk-key", "sk-", draw_text(LETTERS, 48)),
    ("sk-key", "sk-", draw_text(HEX, 32)),
    ("openrouter-key", "sk-or-v1-", draw_text(HEX, 64)),
    ("google-key", "AIza", draw_text(LETTERS, 35)),
    ("groq-key", "gsk_", draw_text(LETTERS, 52)),
    ("xai-key", "xai-", draw_text(LETTERS, 80)),
    ("nvidia-key", "nvapi-", draw_text(LETTERS, 64)),
    ("perplexity-key", "pplx-", draw_text(LETTERS, 48)),
    ("replicate-key", "r8_", draw_text(LETTERS, 37)),
    ("huggingface-token", "hf_", draw_text(LETTERS, 34)),
    ("huggingface-token", "api_org_", draw_text(LETTERS, 34)),
    ("langfuse-key", "sk-lf-", UUID),
    ("langfuse-key", "pk-lf-", UUID),
    ("langsmith-key", "lsv2_pt_", f"{draw_text(HEX, 32)}_{draw_text(HEX, 10)}"),
    ("langsmith-key", "lsv2_sk_", f"{draw_text(HEX, 32)}_{draw_text(HEX, 10)}"),
    ("langsmith-key", "ls__", draw_text(HEX, 32)),
    ("pinecone-key", "pcsk_", f"{draw_text(LETTERS, 6)}_{draw_text(LETTERS, 63)}"),
    ("tavily-key", "tvly-dev-", draw_text(LETTERS, 32)),
    ("databricks-token", "dapi", draw_text(HEX, 32)),
    ("github-token", "ghp_", draw_text(LETTERS, 36)),
    ("github-token", "gho_", draw_text(LETTERS, 36)),
    ("github-pat", "github_pat_", f"{draw_text(LETTERS, 22)}_{draw_text(LETTERS, 59)}"),
    ("gitlab-token", "glpat-", draw_text(LETTERS, 20)),
    ("npm-key", "npm_", draw_text(LETTERS, 36)),
    ("docker-token", "dckr_pat_", draw_text(LETTERS, 27)),
    ("pypi-token", "pypi-", f"AgEIcHlwaS5vcmc{draw_text(LETTERS, 80)}"),
    ("slack-token", "xoxb-", f"123456789012-123456789012-{draw_text(LETTERS, 24)}"),
    ("slack-token", "xoxp-", f"123456789012-123456789012-{draw_text(LETTERS, 24)}"),
    ("slack-app-token", "xapp-1-", f"A01ABCDEF-1234567890123-{draw_text(HEX, 64)}"),
    ("slack-app-token", "xoxe.xoxp-1-", draw_text(LETTERS, 60)),
    ("google-oauth", "ya29.", draw_text(LETTERS, 60)),
    ("google-oauth", "GOCSPX-", draw_text(LETTERS, 28)),
    ("aws-key", "AKIA", "QYLPMN5HFIQR7XYA"),
    ("aws-key", "ASIA", "QYLPMN5HFIQR7XYA"),
    ("notion-token", "ntn_", draw_text(LETTERS, 46)),
    ("linear-key", "lin_api_", draw_text(LETTERS, 40)),
    ("supabase-key", "sbp_", draw_text(HEX, 40)),
    ("atlassian-token", "ATATT3", f"xFfGF0{draw_text(LETTERS, 172)}=1A2B3C4D"),
    ("atlassian-token", "ATCTT3", f"xFfGN0{draw_text(LETTERS, 172)}=1A2B3C4D"),
    ("atlassian-token", "ATBB", draw_text(LETTERS, 32)),
    ("shopify-token", "shpat_", draw_text(HEX, 32)),
    ("shopify-token", "shpss_", draw_text(HEX, 32)),
    ("vercel-token", "vcp_", draw_text(LETTERS, 56)),
    ("vercel-token", "vck_", draw_text(LETTERS, 56)),
    ("supabase-key", "sb_secret_", draw_text(LETTERS, 31)),
]
NAMED = [pytest.param(*key, id=f"{key[0]} {key[1]}") for key in KEYS]
LOOK_ALIKES = [
    "from huggingface_hub import hf_hub_download; hf_hub_download(repo_id='a/b')",
    "HF_HUB_ENABLE_HF_TRANSFER=1 and hf_transfer_enabled_by_default_for_everyone_now",
    "npm_config_cache, npm_lifecycle_event and npm_package_version are variables",
    "xai-org/grok-1 and the xai-sdk; sk-learn-contrib-imbalanced-learning-pipelines",
    "a desk-with-drawers-and-20-compartments-for-the-home, task-a1b2c3d4e5f6a7b8c9d0e1f2a3",
    "set LANGFUSE_SECRET_KEY to sk-lf-... and pk-lf-your-own-public-key-here",
    "langsmith: lsv2_pt_<your key>; ls__init__ and ls__all",
    "gsk_tests, gsk_short1, pplx-api, r8_short, tvly-dev, pcsk_env, dapi2 and dapinotahexvalue",
    "AIzawa Kenji lives here; AIza is a beginning",
    "ATATT3 begins a token, ATBBABLE; shpat_your_token, shp_id; vcp_proxies_by_name_host, vcr_py",
    "ya29.md, ghp_short, github_pat_ is a prefix, glpat-x, xoxb-your-token, xapp-1-x",
    "The id 3f2b8c1e-9a77-4d0e-8f55-0a1b2c3d4e5f, 85c2b1e7f3a9c81be7d24c05a6f00b19c81be7d2",
    "the model ask-anything-2024-07-18-preview-with-long-name answered",
]  # fmt: skip


@pytest.mark.parametrize(("kind", "begins", "rest"), NAMED)
def test_a_key_is_found_and_redacted_whole(kind: str, begins: str, rest: str) -> None:
    """In prose, JSON and URLs; the mark names its kind, and its prefix goes too."""
    key = begins + rest
    for text in (f"My key is {key}, use it.", f'{{"k": "{key}"}}', f"https://x.org/?k={key}"):
        findings = detectors.find_all(text, SECRET_KINDS)
        assert [text[f.start : f.end] for f in findings if f.kind == kind] == [key]
        redacted = detectors.build_redactor(SECRET_KINDS)(text)
        assert rest[:8] not in redacted
        assert detectors.format_mark(kind) in redacted
    assert detectors.may_be_key(key)


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_a_look_alike_of_a_key_stays(text: str) -> None:
    """Names of functions, variables and packages, placeholders and hashes are not keys."""
    assert detectors.find_all(text, SECRET_KINDS) == []


@pytest.mark.parametrize(
    "given", ["password=kx7TqLm29Pz", "pwd: kx7TqLm29Pz", "s1 token=ab12cd34ef"]
)
def test_an_id_that_holds_a_password_is_hashed(given: str, tmp_path: Path) -> None:
    """A session whose id is what somebody typed into a login form does not show it."""
    privacy = PrivacyFilter(Catalog(root=tmp_path), key=b"k" * 32)
    assert privacy.hash_identity(given).startswith("id-")
    assert privacy.hash_identity("reset-password-2026") == "reset-password-2026"
    assert privacy.hash_identity("token-7f3a9c81be7d24c0") == "token-7f3a9c81be7d24c0"


def test_an_id_that_is_a_key_is_hashed(tmp_path: Path) -> None:
    """Whichever vendor's: a session or trace whose id is a key does not show it."""
    privacy = PrivacyFilter(Catalog(root=tmp_path), key=b"k" * 32)
    for _, begins, rest in KEYS:
        trace = Trace(
            trace_id=begins + rest,
            session_id=begins + rest,
            ts=datetime(2026, 10, 1, tzinfo=UTC),
            app="chat",
            output="Hello.",
        )
        filtered = privacy.filter_trace(trace)
        assert isinstance(filtered, Trace)
        assert filtered.trace_id.startswith("id-")
        assert filtered.session_id == filtered.trace_id
