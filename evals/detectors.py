"""Where personal data and secrets stand in a text, and that text without them.

Each kind is a cheap hint followed by a recognizer with its checksum; verdicts are `guardrails`'.
"""

from __future__ import annotations

import bisect
import functools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

Spans = Iterable[tuple[int, int]]
CHUNK = 1500
"""Recognizers see at most this many characters at once: their time grows faster than the text."""
OVERLAP = 280


class Finding(NamedTuple):
    """One place in a text; never what stands there."""

    kind: str
    start: int
    end: int
    """Offsets in characters, the end exclusive."""


class Detector(NamedTuple):
    """How one kind is found."""

    kind: str
    hint: re.Pattern[str]
    """Linear, and a part of every finding: a text without it is done."""
    margin: int
    """How far from the hint a finding may reach, in characters."""
    spans: Callable[[str], Spans]
    """Findings within one window of text."""
    screen: str = ""
    """The hint for RE2, where it is not to be had by rewriting `hint`; it may be looser."""

    def find(self, text: str) -> Iterator[Finding]:
        """Every finding of this kind, in no order, perhaps twice."""
        for start, end in windows(text, self.hint, self.margin):
            for first, last in self.spans(text[start:end]):
                yield Finding(self.kind, start + first, start + last)


def windows(text: str, hint: re.Pattern[str], margin: int) -> Iterator[tuple[int, int]]:
    """The parts of a text near a hint: merged, cut between words, at most CHUNK long."""
    begin = stop = -1
    for match in hint.finditer(text):
        start, end = max(match.start() - margin, 0), match.end() + margin
        if begin < 0:
            begin, stop = start, end
        elif start <= stop:
            stop = max(stop, end)
        else:
            yield from chunks(text, begin, stop)
            begin, stop = start, end
    if begin >= 0:
        yield from chunks(text, begin, stop)


def chunks(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Overlapping pieces of a span whose outer ends do not cut a word."""
    for _ in range(64):
        if start > 0 and text[start - 1].isalnum():
            start -= 1
        if end < len(text) and text[end].isalnum():
            end += 1
    end = min(end, len(text))
    while end - start > CHUNK:
        yield start, start + CHUNK
        start += CHUNK - OVERLAP
    yield start, end


def settled(found: Iterable[Finding]) -> list[Finding]:
    """Findings in order, those that overlap made one: the longest's kind, both their places."""
    kept: list[tuple[Finding, int]] = []
    for finding in sorted(found, key=lambda f: (f.start, f.start - f.end, f.kind)):
        length = finding.end - finding.start
        if kept and finding.start < kept[-1][0].end:
            last, longest = kept[-1]
            kind = finding.kind if length > longest else last.kind
            union = Finding(kind, last.start, max(last.end, finding.end))
            kept[-1] = (union, max(length, longest))
        else:
            kept.append((finding, length))
    return [finding for finding, _ in kept]


def mark(kind: str) -> str:
    """What stands in a redacted text instead of a finding."""
    return f"[redacted:{kind}]"


MARK = re.compile(r"\[redacted:([a-z0-9_-]{1,40})\]")


class Screen(NamedTuple):
    """Some kinds' hints as one automaton: a text is read once, however many kinds there are."""

    kinds: tuple[str, ...]
    automaton: Any

    def suspects(self, text: str) -> Iterable[str]:
        """The kinds whose hint stands in a text; no finding is of another kind."""
        try:
            return [self.kinds[n] for n in self.automaton.Match(text) or ()]
        except UnicodeEncodeError:  # half a surrogate pair: no bytes, so no automaton
            return self.kinds


SCREEN_MEMORY = 64 * 2**20
"""How large the automaton may grow before it begins anew."""


@functools.lru_cache(maxsize=64)
def screen(kinds: tuple[str, ...]) -> Screen:
    """The screen of some kinds.

    Raises:
        KeyError: no detector has one of the kinds.
    """
    import re2

    options = re2.Options()
    options.max_mem = SCREEN_MEMORY
    automaton = re2.Set.SearchSet(options)
    for kind in kinds:
        automaton.Add(hint_of(DETECTORS[kind]))
    automaton.Compile()
    return Screen(kinds, automaton)


def hint_of(detector: Detector | KeyBlocks) -> str:
    """A detector's hint as RE2 spells it, digits and letters being those of any script."""
    if isinstance(detector, KeyBlocks):
        return "PRIVATE KEY"
    if detector.screen:
        return detector.screen
    within = detector.hint.pattern.replace(r"[\w-]", r"[\p{L}\p{N}_-]")
    for escape, spelled in {r"\d": r"\p{Nd}", r"\w": r"[\p{L}\p{N}_]"}.items():
        within = within.replace(escape, spelled)
    return re.sub(r"\\u([0-9a-f]{4})", r"\\x{\1}", within)


def find(text: str, kinds: Iterable[str]) -> list[Finding]:
    """Every finding of some kinds, marks of an earlier redaction among them, in order.

    Raises:
        KeyError: no detector has one of the kinds.
    """
    wanted = tuple(dict.fromkeys(kinds))
    suspected = screen(wanted).suspects(text) if wanted else ()
    found = [f for kind in suspected for f in DETECTORS[kind].find(text)]
    if "[redacted:" in text:
        marks = MARK.finditer(text)
        found += [Finding(m[1], m.start(), m.end()) for m in marks if m[1] in wanted]
    return settled(found)


def redact(text: str, findings: Iterable[Finding]) -> str:
    """The text with a mark in the place of every finding."""
    parts: list[str] = []
    at = 0
    for kind, start, end in settled(findings):
        parts += (text[at:start], mark(kind))
        at = end
    return "".join((*parts, text[at:]))


def redactor(kinds: Iterable[str]) -> Callable[[str], str]:
    """A function that takes every finding of some kinds out of a text.

    It looks again at what it wrote until only marks are left, for taking one number away may
    show that its neighbour is another. A text that is done comes back unchanged.
    """
    chosen = tuple(kinds)

    def redacted(text: str) -> str:
        for _ in range(8):
            findings = find(text, chosen)
            if all(MARK.fullmatch(text, f.start, f.end) for f in findings):
                break
            text = redact(text, findings)
        return text

    return redacted


@functools.cache
def recognizer(kind: str) -> Any:
    """The presidio recognizer of a kind, alone: no language model, no network."""
    from presidio_analyzer import predefined_recognizers as known

    if kind == "email":
        return offline_email(known.EmailRecognizer)
    if kind == "phone":
        return known.PhoneRecognizer(supported_regions=("US", "GB"), leniency=1)
    return {
        "card": known.CreditCardRecognizer,
        "iban": known.IbanRecognizer,
        "ssn": known.UsSsnRecognizer,
        "ip": known.IpRecognizer,
    }[kind]()


def offline_email(base: Any) -> Any:
    """An e-mail recognizer that knows the public suffixes its package ships, and fetches none."""
    import tldextract

    extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    class OfflineEmail(base):
        def validate_result(self, pattern_text: str) -> bool:
            """Whether the domain ends in a public suffix."""
            return extract(pattern_text.rpartition("@")[2]).suffix != ""

    return OfflineEmail()


def recognized(kind: str, text: str, least: float = 0.4) -> Iterator[tuple[int, int]]:
    """Spans a recognizer gives at least some confidence."""
    found = recognizer(kind)
    for result in found.analyze(text, found.supported_entities, None):
        if result.score >= least:
            yield result.start, result.end


def emails(text: str) -> Spans:
    """E-mail addresses under a public suffix."""
    return recognized("email", text)


DIGIT = re.compile(r"(?<!\d)\d")


def cards(text: str) -> Iterator[tuple[int, int]]:
    """Card numbers with a right check digit, also behind a few other digits."""
    starts = [match.start() for match in DIGIT.finditer(text)]
    if len(starts) > 50:
        yield from recognized("card", text, 0.9)
        return
    at = 0
    for start in starts:
        found = list(recognized("card", text[start : start + 40], 0.9)) if start >= at else []
        for first, last in found:
            yield start + first, start + last
            at = start + last


def ibans(text: str) -> Spans:
    """Account numbers with right check digits."""
    return recognized("iban", text, 0.9)


NEAR_SSN = re.compile(r"social\s+security|\bssn\b", re.IGNORECASE)


def ssns(text: str) -> Spans:
    """US social security numbers; undivided or oddly divided ones only near the words."""
    return recognized("ssn", text, 0.05 if NEAR_SSN.search(text) else 0.4)


def ips(text: str) -> Iterator[tuple[int, int]]:
    """Addresses that may be somebody's: not loopback, multicast, netmask or all zeros."""
    import ipaddress

    for start, end in recognized("ip", text):
        address = ipaddress.ip_interface(text[start:end]).ip
        nobody = address.is_loopback or address.is_multicast or address.is_unspecified
        netmask = address.version == 4 and address.is_reserved
        words = address.version == 6 and not any(c.isdigit() for c in text[start:end])
        if not (nobody or netmask or words):
            yield start, end


NEAR_PHONE = re.compile(
    r"\b(?:phone|tel|telephone|call|mobile|cell|fax|whatsapp|sms|text)\w*\b", re.IGNORECASE
)


def phones(text: str) -> Iterator[tuple[int, int]]:
    """Valid numbers written as one: with a plus, divided, or near a word for it."""
    near = NEAR_PHONE.search(text) is not None
    for start, end in recognized("phone", text):
        number = text[start:end]
        if near or number.startswith("+") or re.search(r"\d[)\s./-]+\d", number):
            yield start, end


PII = (
    Detector("email", re.compile("@"), 260, emails),
    Detector("card", re.compile(r"\d(?:[ -]?\d){11}"), 30, cards),
    Detector("iban", re.compile(r"[A-Z]{2}\d{2}[ -]?[A-Z0-9]{4}"), 45, ibans),
    Detector("ssn", re.compile(r"\d{3}[- .]?\d{2}[- .]?\d{4}"), 40, ssns),
    Detector("ip", re.compile(r"\d\.\d{1,3}\.\d{1,3}\.\d|[0-9A-Fa-f]?:[0-9A-Fa-f]{0,4}:"), 45, ips),
    Detector("phone", re.compile(r"\d(?:[ ()./\u00a0\u2010-\u2013-]{0,3}\d){6}"), 40, phones),
)


def by_plugin(module: str, name: str) -> Callable[[str], Spans]:
    """Spans found by the patterns of a detect-secrets plugin, to the end of each token."""

    def spans(text: str) -> Iterator[tuple[int, int]]:
        plugin = secrets_plugin(module, name)
        valid = getattr(plugin, "is_formally_valid", None)
        for pattern in plugin.denylist:
            for match in pattern.finditer(text):
                if valid is None or valid(match[0]):
                    yield match.start(), token_end(text, match.end())

    return spans


@functools.cache
def secrets_plugin(module: str, name: str) -> Any:
    """One plugin of detect-secrets, called in process and never asked to verify."""
    import importlib

    return getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), name)()


TOKEN = re.compile(r"[A-Za-z0-9_\-+/=]*(?:\.[A-Za-z0-9_\-+/=]+)*")


def token_end(text: str, at: int) -> int:
    """Where the token that reaches past a position ends: nothing of a secret stays behind."""
    found = TOKEN.match(text, at) if at and re.match(r"[\w.+/=-]", text[at - 1]) else None
    return found.end() if found else at


def by_pattern(pattern: str) -> Callable[[str], Spans]:
    """Spans of a regular expression, to the end of each token."""
    compiled = re.compile(pattern)
    return lambda text: (
        (match.start(), token_end(text, match.end())) for match in compiled.finditer(text)
    )


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


def assigned(text: str) -> Iterator[tuple[int, int]]:
    """Random-looking values given to something called a password, key or token."""
    entropy = secrets_plugin("high_entropy_strings", "Base64HighEntropyString")
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


def plugin(kind: str, hint: str, module: str, name: str) -> Detector:
    """The detector of a detect-secrets plugin."""
    return Detector(kind, re.compile(hint), 280, by_plugin(module, name))


SECRETS = (
    KeyBlocks(),
    plugin("aws-key", "AKIA|ASIA|ABIA|ACCA|A3T|(?i:aws)", "aws", "AWSKeyDetector"),
    plugin("azure-key", "AccountKey=", "azure_storage_key", "AzureStorageKeyDetector"),
    plugin("url-password", "://", "basic_auth", "BasicAuthDetector"),
    plugin("discord-token", r"[MNO][\w-]{23,25}\.[\w-]{6}\.", "discord", "DiscordBotTokenDetector"),
    plugin("github-token", "gh[pousr]_", "github_token", "GitHubTokenDetector"),
    plugin("gitlab-token", "gl[a-z]{2,5}-|GR1348941", "gitlab_token", "GitLabTokenDetector"),
    plugin("jwt", "eyJ", "jwt", "JwtTokenDetector"),
    plugin("mailchimp-key", "-us[0-9]", "mailchimp", "MailchimpDetector"),
    plugin("npm-token", ":_authToken=", "npm", "NpmDetector"),
    plugin("openai-key", "T3BlbkFJ", "openai", "OpenAIDetector"),
    plugin("pypi-token", "pypi-AgE", "pypi_token", "PypiTokenDetector"),
    plugin("sendgrid-key", r"SG\.", "sendgrid", "SendGridDetector"),
    plugin("slack-token", "(?i:xox)|hooks.slack.com", "slack", "SlackDetector"),
    plugin("square-key", "sq0csp", "square_oauth", "SquareOAuthDetector"),
    plugin("stripe-key", "k_live_", "stripe", "StripeDetector"),
    plugin("telegram-token", r"\d{8}:", "telegram_token", "TelegramBotTokenDetector"),
    plugin("twilio-key", "AC[a-z0-9]{8}|SK[a-z0-9]{8}", "twilio", "TwilioKeyDetector"),
    Detector("google-key", re.compile("AIza"), 60, by_pattern(r"AIza[0-9A-Za-z_\-]{35}")),
    Detector("anthropic-key", re.compile("sk-ant-"), 200, by_pattern(r"sk-ant-[\w-]{20,}")),
    Detector("github-pat", re.compile("github_pat_"), 120, by_pattern(r"github_pat_\w{22,}")),
    Detector(
        "password",
        PASSWORDS,
        230,
        assigned,
        r"(?i)(?:api|auth|access|account|client|private|service|db|database)[ _-]?"
        r"(?:key|token|pass)|password|passwd|passphrase|pwd|secret|token|bearer",
    ),
)
DETECTORS: dict[str, Detector | KeyBlocks] = {d.kind: d for d in (*PII, *SECRETS)}
PII_KINDS = tuple(detector.kind for detector in PII)
SECRET_KINDS = tuple(detector.kind for detector in SECRETS)
