"""Texts that a pinned model writes for a prompt, paid and stored as any other answer.

What is asked for, and what is made of it, is decided by whoever asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from evals.calls.day_budget import Spent
from evals.calls.live import run_loop
from evals.calls.requests import AskedCall, build_answer
from evals.models import Reply, Request, Unavailable, open_client
from evals.records import Json, digest
from evals.runs.runner import ScoringRun
from evals.specs import ModelPin
from evals.storage import ledger
from evals.storage.lake import Lake

MOST_TOKENS = 2000
"""That a model may write."""


@dataclass(frozen=True)
class TextModel:
    """A pinned model that writes texts about an application."""

    lake: Lake
    pin: ModelPin
    name: str
    """What asks, as it is in the ledger."""
    app: str
    night: date
    """The night that pays."""

    @property
    def version(self) -> str:
        """The version under which its texts are stored."""
        pin = self.pin
        return digest(["writer", pin.provider, pin.model, pin.sha256, pin.revision])

    def read(self, prompt: str) -> str | None:
        """Reads what was written for a prompt; None: nothing yet."""
        with ledger.open_index(self.lake, self.version, {hash_prompt(prompt)}) as paid:
            return next((answer.text for answer in paid.read_answers()), None)

    def estimate(self, prompt: str) -> float | None:
        """Estimates the most that a text costs; None: no price is known."""
        price = self.pin.price_on(self.night)
        return (len(prompt) * price.input + MOST_TOKENS * price.output) / 1e6 if price else None

    def ask(self, run: ScoringRun, prompt: str, schema: dict[str, Json] | None = None) -> str:
        """Asks for a text, within the run's budget, and stores it; empty: it wrote nothing.

        Raises:
            ModelError: the call failed.
            Unavailable: its model cannot be asked here, or the budget is spent.
        """
        most = self.estimate(prompt) or 0.0
        if run.budget and not run.budget.reserve(self.app, [most]):
            raise Unavailable("budget", "the day's budget is spent")
        spent = Spent(0.0, 0)
        try:
            reply = run_loop(self.call(prompt, schema))
            call = AskedCall(
                hash_prompt(prompt), self.version, self.name, self.night, self.app, 1, len(prompt)
            )
            answer = build_answer(call, self.pin, reply)
            run.journal.append(answer)
            spent = Spent(answer.cost_usd, 1)
            return (answer.text or "").strip()
        finally:
            if run.budget:
                run.budget.book_spent(self.app, Spent(most, 1), spent)

    async def call(self, prompt: str, schema: dict[str, Json] | None) -> Reply:
        """Asks the model once."""
        client = open_client(self.pin)
        try:
            message = {"role": "user", "content": prompt}
            return await client.ask(Request((message,), MOST_TOKENS, 0.0, 1, schema))
        finally:
            await client.close()


def hash_prompt(prompt: str) -> str:
    """Returns the key of what is written for a prompt."""
    return digest(["prompt", prompt], 32)
