"""The `openai` client: one question over the wire, its answer read, its errors given codes.

When to ask, how often and how many at once is the runner's.
"""

from __future__ import annotations

import math
from typing import Any

from evals.models.protocol import ModelError, Reply, Request
from evals.specs import ModelPin


class OpenAIClient:
    """The `openai` client, its retries left to the runner and its errors given stable codes.

    Its transport is aiohttp and its answers are read as plain JSON: a third of the CPU a call
    costs with the default transport and typed answers (`make bench` prints both).
    """

    def __init__(self, pin: ModelPin, base_url: str | None, key: str) -> None:
        import openai

        self.pin = pin
        self.client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=key,
            max_retries=0,
            timeout=pin.timeout_s,
            http_client=openai.DefaultAioHttpClient(),
        )

    path = "/chat/completions"

    async def ask(self, request: Request) -> Reply:
        """One chat completion; see `Client.ask`."""
        import openai

        try:
            answer = await self.client.post(self.path, body=self.body(request), cast_to=object)
        except openai.APIStatusError as error:
            raise from_status(error) from None
        except openai.APITimeoutError:
            limit = f"no answer in {self.pin.timeout_s:g} s"
            raise ModelError("timeout", limit, retryable=True) from None
        except openai.APIConnectionError as error:
            kind = type(error.__cause__ or error).__name__
            raise ModelError("connection", kind, retryable=True) from None
        except (openai.OpenAIError, ValueError) as error:
            kind = type(error).__name__
            raise ModelError("malformed-response", kind, retryable=True) from None
        return self.read(request, answer)

    def body(self, request: Request) -> dict[str, Any]:
        """The request as the API takes it."""
        body: dict[str, Any] = {
            "model": self.pin.model,
            "messages": list(request.messages),
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
        }
        if request.yes_no:
            body |= {"logprobs": True, "top_logprobs": 20}
        if request.schema:
            schema = {"name": "verdict", "strict": True, "schema": request.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def read(self, request: Request, answer: Any) -> Reply:
        """The answer as a Reply; see `Client.read`."""
        try:
            reply = self.parts(request, answer)
        except (KeyError, IndexError, TypeError, AttributeError, ValueError):
            raise ModelError("malformed-response", "no answer in it", retryable=True) from None
        if reply.model != self.pin.model:
            said = f"asked {self.pin.model}, answered {reply.model[:80]}"
            raise ModelError("other-model", said, retryable=False, reply=reply)
        return reply

    def parts(self, request: Request, answer: Any) -> Reply:
        """The answer's parts; raises whatever its shape makes it raise."""
        choice = answer["choices"][0]
        text, model = choice["message"]["content"], answer["model"]
        if not isinstance(text, str) or not isinstance(model, str):
            raise TypeError
        usage = answer.get("usage") or {}
        details = usage.get("prompt_tokens_details") or {}
        tokens = (choice.get("logprobs") or {}).get("content") if request.yes_no else None
        return Reply(
            text=text,
            probability=p_yes(tokens[0]["top_logprobs"]) if tokens else None,
            model=model,
            fingerprint=answer.get("system_fingerprint"),
            created=answer.get("created"),
            tokens_in=int(usage.get("prompt_tokens") or 0),
            tokens_out=int(usage.get("completion_tokens") or 0),
            tokens_cached=int(details.get("cached_tokens") or 0),
            finish=choice.get("finish_reason"),
            temperature=request.temperature,
            seed=request.seed,
        )

    async def close(self) -> None:
        """Gives connections back."""
        await self.client.close()


def from_status(error: Any) -> ModelError:
    """An HTTP error as a ModelError; the provider's own words stay out of it."""
    status = error.status_code
    wait = error.response.headers.get("retry-after")
    wait_s = float(wait) if wait and wait.replace(".", "", 1).isdigit() else None
    if status == 429:
        return ModelError("rate-limited", "HTTP 429", retryable=True, wait_s=wait_s)
    if status in (401, 403):
        return ModelError("not-authorised", f"HTTP {status}", retryable=True)
    if status >= 500 or status in (408, 409):
        return ModelError("server-error", f"HTTP {status}", retryable=True, wait_s=wait_s)
    return ModelError("refused-request", f"HTTP {status}", retryable=False)


def p_yes(candidates: Any) -> float | None:
    """P(yes) / (P(yes) + P(no)) over the first token's candidates; None when neither is there."""
    mass = {"yes": 0.0, "no": 0.0}
    for candidate in candidates:
        word = candidate["token"].strip().lower().strip(".,\"'")
        if word in mass:
            mass[word] += math.exp(candidate["logprob"])
    total = sum(mass.values())
    return mass["yes"] / total if total else None
