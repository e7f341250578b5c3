"""Passwords, private keys, and the secrets that detect-secrets recognizes.

Keys with a vendor's prefix are in `keys`.
"""

from __future__ import annotations

import bisect
import functools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol, cast

from evals.privacy.detectors.finding import Detector, Finding, Spans, find_token_end


class Plugin(Protocol):
    """A detect-secrets plugin."""

    denylist: Iterable[re.Pattern[str]]
    is_formally_valid: Callable[[str], bool]
    """Only some have it."""
    calculate_shannon_entropy: Callable[[str], float]
    """Only those of high entropy have it."""


def build_plugin_finder(module: str, name: str) -> Callable[[str], Spans]:
    """Returns a function that finds a detect-secrets plugin's patterns, up to the token's end."""

    def find_spans(text: str) -> Iterator[tuple[int, int]]:
        plugin = load_plugin(module, name)
        valid: Callable[[str], bool] | None = getattr(plugin, "is_formally_valid", None)
        for pattern in plugin.denylist:
            for match in pattern.finditer(text):
                if valid is None or valid(match[0]):
                    yield match.start(), find_token_end(text, match.end())

    return find_spans


@functools.cache
def load_plugin(module: str, name: str) -> Plugin:
    """Loads one plugin of detect-secrets; it runs in process and verifies nothing online."""
    import importlib

    plugin = getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), name)
    return cast("Plugin", plugin())


PASSWORDS = re.compile(
    r"""(?:api|auth|access|account|client|private|service|db|database)
            [ _-]?(?:key|token|pass)\w{0,9}
       |password|passwd|passphrase|pwd|secret(?:[ _-]?(?:access)?[ _-]?key)?|token|bearer""",
    re.IGNORECASE | re.VERBOSE,
)
ASSIGNED = re.compile(
    rf"""(?:{PASSWORDS.pattern})["'`\]]{{0,2}}
        (?:(?P<sign>\s{{0,3}}(?::=|=>|={{1,3}}|:)\s{{0,3}}|\s(?:is|was)\s)|\s)
        (?P<quote>["'`]?)(?P<value>[^\s"'`,;<>(){{}}\[\]]{{6,200}})""",
    re.IGNORECASE | re.VERBOSE,
)
PLACEHOLDER = re.compile(r"your|example|placeholder|change|dummy|\*\*|xxx|\.\.\.|[$%]|://", re.I)


def find_assigned(text: str) -> Iterator[tuple[int, int]]:
    """Finds random-looking values assigned to something named a password, key or token."""
    entropy = load_plugin("high_entropy_strings", "Base64HighEntropyString")
    for match in ASSIGNED.finditer(text):
        value = match["value"].rstrip(".:!?")
        mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
        if not mixed or len(value) < (6 if match["sign"] else 16) or PLACEHOLDER.search(value):
            continue
        if entropy.calculate_shannon_entropy(value) >= (2.5 if match["quote"] else 2.75):
            yield match.start("value"), match.start("value") + len(value)


KEY_BEGINS = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
KEY_ENDS = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
KEY_BODY = re.compile(
    r"(?:(?:\s|\\[nr])*[A-Za-z0-9+/=]{16,})*(?:(?:\s|\\[nr]){1,4}[A-Za-z0-9+/]{1,15}={1,2})?"
)
MAX_KEY = 20_000


class KeyBlocks(NamedTuple):
    """Detects private keys in PEM form in the whole text: they are longer than a window."""

    kind: str = "private-key"

    def find(self, text: str) -> Iterator[Finding]:
        """Yields each key from its first line to its last, or to the end of its base64 text."""
        done = 0
        ends = [m.end() for m in KEY_ENDS.finditer(text)] if "PRIVATE KEY" in text else []
        for begin in KEY_BEGINS.finditer(text) if "PRIVATE KEY" in text else ():
            if begin.start() < done:
                continue
            next_end = bisect.bisect_right(ends, begin.end())
            body = KEY_BODY.match(text, begin.end())
            done = body.end() if body else begin.end()
            if next_end < len(ends) and ends[next_end] - begin.end() <= MAX_KEY:
                done = ends[next_end]
            yield Finding(self.kind, begin.start(), done)


def build_plugin_detector(kind: str, hint: str, module: str, name: str) -> Detector:
    """Builds the detector of a detect-secrets plugin."""
    return Detector(kind, re.compile(hint), 280, build_plugin_finder(module, name))


SECRETS = (
    KeyBlocks(),
    build_plugin_detector("aws-key", "AKIA|ASIA|ABIA|ACCA|A3T|(?i:aws)", "aws", "AWSKeyDetector"),
    build_plugin_detector(
        "azure-key", "AccountKey=", "azure_storage_key", "AzureStorageKeyDetector"
    ),
    build_plugin_detector("url-password", "://", "basic_auth", "BasicAuthDetector"),
    build_plugin_detector(
        "discord-token", r"[MNO][\w-]{23,25}\.[\w-]{6}\.", "discord", "DiscordBotTokenDetector"
    ),
    build_plugin_detector("github-token", "gh[pousr]_", "github_token", "GitHubTokenDetector"),
    build_plugin_detector(
        "gitlab-token", "gl[a-z]{2,5}-|GR1348941", "gitlab_token", "GitLabTokenDetector"
    ),
    build_plugin_detector("jwt", "eyJ", "jwt", "JwtTokenDetector"),
    build_plugin_detector("mailchimp-key", "-us[0-9]", "mailchimp", "MailchimpDetector"),
    build_plugin_detector("npm-token", ":_authToken=", "npm", "NpmDetector"),
    build_plugin_detector("openai-key", "T3BlbkFJ", "openai", "OpenAIDetector"),
    build_plugin_detector("pypi-token", "pypi-AgE", "pypi_token", "PypiTokenDetector"),
    build_plugin_detector("sendgrid-key", r"SG\.", "sendgrid", "SendGridDetector"),
    build_plugin_detector("slack-token", "(?i:xox)|hooks.slack.com", "slack", "SlackDetector"),
    build_plugin_detector("square-key", "sq0csp", "square_oauth", "SquareOAuthDetector"),
    build_plugin_detector("stripe-key", "k_live_", "stripe", "StripeDetector"),
    build_plugin_detector(
        "telegram-token", r"\d{8}:", "telegram_token", "TelegramBotTokenDetector"
    ),
    build_plugin_detector(
        "twilio-key", "AC[a-z0-9]{8}|SK[a-z0-9]{8}", "twilio", "TwilioKeyDetector"
    ),
    Detector(
        "password",
        PASSWORDS,
        230,
        find_assigned,
        r"(?i)(?:api|auth|access|account|client|private|service|db|database)[ _-]?"
        r"(?:key|token|pass)|password|passwd|passphrase|pwd|secret|token|bearer",
    ),
)
