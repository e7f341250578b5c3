"""Secrets without a maker's mark: passwords, private keys, and what detect-secrets knows of.

Keys that begin with their maker's word are `keys`'.
"""

from __future__ import annotations

import bisect
import functools
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from evals.privacy.detectors.finding import Detector, Finding, Spans, find_token_end


def build_plugin_finder(module: str, name: str) -> Callable[[str], Spans]:
    """Spans found by the patterns of a detect-secrets plugin, to the end of each token."""

    def spans(text: str) -> Iterator[tuple[int, int]]:
        plugin = load_plugin(module, name)
        valid = getattr(plugin, "is_formally_valid", None)
        for pattern in plugin.denylist:
            for match in pattern.finditer(text):
                if valid is None or valid(match[0]):
                    yield match.start(), find_token_end(text, match.end())

    return spans


@functools.cache
def load_plugin(module: str, name: str) -> Any:
    """One plugin of detect-secrets, called in process and never asked to verify."""
    import importlib

    return getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), name)()


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
    """Random-looking values given to something called a password, key or token."""
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
    """Private keys in PEM form, found over the whole text: they are longer than a window."""

    kind: str = "private-key"

    def find(self, text: str) -> Iterator[Finding]:
        """Each key from its first line to its last, or to the end of what looks like one."""
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
    """The detector of a detect-secrets plugin."""
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
