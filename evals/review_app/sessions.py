"""Who visits the review page: tokens of the printed link, signed cookies, and slow guessing.

No page is shown here; `access` has the pages for signing in.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

Role = Literal["annotator", "reader"]

LIFETIME = timedelta(days=14)
SHORTEST_TOKEN = 20
"""Characters a token that a team chooses has at least."""
LONGEST_NAME = 60


class Session(NamedTuple):
    """A visitor who has signed in."""

    id: str
    role: Role
    annotator: str
    """Empty until the visitor has given a name; readers need none."""
    expires: datetime

    @property
    def may_write(self) -> bool:
        """Whether verdicts may be given: by annotators alone."""
        return self.role == "annotator"


@dataclass(frozen=True)
class Access:
    """The secrets by which the site knows its visitors."""

    secret: bytes
    """Signs cookies; random for each start of the server."""
    token: str
    read_token: str
    annotator: str = ""
    """The name of everybody who signs in; empty: each is asked."""
    cookie: str = "andon_review"
    """Its name has the port, since browsers send cookies of a host to all its ports."""
    is_https: bool = False

    def choose_role(self, token: str) -> Role | None:
        """Returns the role that a token gives; None for a wrong one."""
        given = token.encode("utf-8", "replace")
        is_annotator = hmac.compare_digest(given, self.token.encode())
        is_reader = hmac.compare_digest(given, self.read_token.encode())
        return "annotator" if is_annotator else "reader" if is_reader else None

    def sign(self, session: Session) -> str:
        """Returns a session as the value of a cookie."""
        row = [session.id, session.role, session.annotator, session.expires.isoformat()]
        payload = base64.urlsafe_b64encode(json.dumps(row).encode()).decode()
        return f"{payload}.{self.compute_mac('session', payload)}"

    def read(self, cookie: str, now: datetime) -> Session | None:
        """Returns the session of a cookie; None where it was not signed here or has ended."""
        payload, _, mac = cookie.rpartition(".")
        if not hmac.compare_digest(mac.encode(), self.compute_mac("session", payload).encode()):
            return None
        try:
            row: Any = json.loads(base64.urlsafe_b64decode(payload))
        except (ValueError, binascii.Error):
            return None
        session = Session(row[0], row[1], row[2], datetime.fromisoformat(row[3]))
        return session if session.expires > now else None

    def make_csrf_token(self, session: Session) -> str:
        """Returns what each form of a session must contain."""
        return self.compute_mac("csrf", session.id)

    def compute_mac(self, purpose: str, text: str) -> str:
        """Signs a text for a purpose."""
        message = f"{purpose}\0{text}".encode("utf-8", "surrogatepass")
        return hmac.new(self.secret, message, "sha256").hexdigest()


def start_session(access: Access, role: Role, session_id: str, now: datetime) -> Session:
    """Starts the session of somebody who showed a token."""
    return Session(session_id, role, access.annotator, now + LIFETIME)


def name_annotator(session: Session, name: str) -> Session:
    """Gives a session a name.

    Raises:
        ValueError: a name is missing, too long, or has characters that do not show.
    """
    cleaned = " ".join(name.split())
    if not cleaned or len(cleaned) > LONGEST_NAME or not cleaned.isprintable():
        raise ValueError(f"write a name of 1 to {LONGEST_NAME} printable characters")
    return session._replace(annotator=cleaned)


class LoginLimiter:
    """Refuses to check tokens of an address that showed too many wrong ones."""

    MOST, WINDOW = 5, timedelta(minutes=1)
    ADDRESSES = 1_000
    """The most addresses remembered; the one that failed longest ago is forgotten first."""

    def __init__(self) -> None:
        self.failures: OrderedDict[str, deque[datetime]] = OrderedDict()

    def count_wait(self, address: str, now: datetime) -> float:
        """Returns the seconds that an address must wait; 0 where it may try."""
        failed = self.failures.get(address)
        while failed and now - failed[0] >= self.WINDOW:
            failed.popleft()
        if not failed or len(failed) < self.MOST:
            return 0.0
        return (failed[0] + self.WINDOW - now).total_seconds()

    def note_failure(self, address: str, now: datetime) -> None:
        """Remembers a wrong token."""
        self.failures.setdefault(address, deque()).append(now)
        self.failures.move_to_end(address)
        while len(self.failures) > self.ADDRESSES:
            self.failures.popitem(last=False)
