"""Texts and a runner shared by the tests of text checks and of guardrails."""

from __future__ import annotations

import datetime
import socket
from typing import Any

import pytest

from evals.evaluators import registry
from evals.evaluators.code_checks import TextCheck
from evals.records import Trace

NOON = datetime.datetime(2026, 10, 1, 12, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuses name resolution and connections while a guardrail runs."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a guardrail reached for the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def run_text_check(name: str, output: str, **params: Any) -> Any:
    """Runs a text check on an output."""
    trace = Trace(trace_id="t", ts=NOON, app="a", output=output)
    check = registry.shipped_types()[name]
    assert isinstance(check, TextCheck)
    return check.run(trace, params)


def join_parts(*parts: str) -> str:
    """Joins a made-up secret, so that no scanner reports this file."""
    return "".join(parts)


B64 = "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MGFiY2RlZmdoaWprbG1ub3BxcnN0dXY"
SAMPLES = [
    ("email", "jane.doe+x@example.co.uk"),
    ("email", "müller@exämple.de"),
    ("card", "4111 1111 1111 1111"),
    ("card", "378282246310005"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "GB29NWBK60161331926819"),
    ("ssn", "219-09-9998"),
    ("ip", "203.0.113.7"),
    ("ip", "2001:db8::8a2e:370:7334"),
    ("phone", "(415) 555-2671"),
    ("phone", "+44 20 7946 0958"),
    ("aws-key", join_parts("AKIA", "IOSFODNN7EXAMPLQ")),
    ("github-token", join_parts("ghp_", "abcdefghijklmnopqrstuvwxyz0123456789")),
    ("github-pat", join_parts("github_pat_", "11ABCDEFG0abcdefghij_klmnopq")),
    ("gitlab-token", join_parts("glpat-", "abcdefghij0123456789")),
    ("google-key", join_parts("AIza", "SyA1234567890abcdefghijklmnopqrstuv")),
    (
        "jwt",
        join_parts("eyJhbGciOiJIUzI1NiJ9.", "eyJzdWIiOiIxIn0.", "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9"),
    ),
    ("openai-key", join_parts("sk-proj-", "a1" * 10, "T3BlbkFJ", "b2" * 10)),
    ("slack-token", join_parts("xoxb-", "123456789012-123456789012-abcdefabcdef")),
    ("stripe-key", join_parts("sk_live_", "4eC39HqLyjWDarjtT1zdp7dc")),
    ("sendgrid-key", join_parts("SG.", "a" * 22, ".", "b" * 43)),
    ("azure-key", join_parts("AccountKey=", "a1" * 43, "==")),
    ("telegram-token", join_parts("110201543:", "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1")),
    ("pypi-token", join_parts("pypi-AgEIcHlwaS5vcmc", "a1" * 36)),
    ("anthropic-key", join_parts("sk-ant-", "api03-abcdefghijklmnopqrst")),
    (
        "private-key",
        f"-----BEGIN RSA PRIVATE KEY-----\n{B64}\n{B64}=\n-----END RSA PRIVATE KEY-----",
    ),
    ("private-key", f"-----BEGIN PRIVATE KEY-----\n{B64}\n{B64}"),
]


ENGLISH = "The order was shipped on Monday and should arrive within three days."
GERMAN = "Die Bestellung wurde am Montag verschickt und sollte in drei Tagen ankommen."
