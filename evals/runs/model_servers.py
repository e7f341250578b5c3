"""Assigns answer versions to servers, so that no server's answers count for another.

A version is a hash of what a catalog declares, without the address of the model. In a home the
first server that answers under a version has it; each further server has one of its own.
"""

from __future__ import annotations

import itertools

from evals.evaluators import resolution
from evals.evaluators.peers import link_peers
from evals.records import digest
from evals.specs import Catalog, Evaluator, ModelPin
from evals.storage.documents.server_claims import ServerClaim, add_claims, read_claims
from evals.storage.lake import Lake


class ModelServers:
    """The servers of a home's answer versions, and the catalog's evaluators bound to them."""

    def __init__(self, lake: Lake, catalog: Catalog) -> None:
        self.lake, self.catalog = lake, catalog
        self.claims = read_claims(lake)
        self.named = {pin.server_name for pin in catalog.models.values()}
        """The servers that the catalog names now."""

    def resolve_app(self, app: str) -> tuple[Evaluator, ...]:
        """Resolves the evaluators of an application, each with the versions of its server."""
        return link_peers([self.assign(e) for e in resolution.resolve_app(self.catalog, app)])

    def assign(self, evaluator: Evaluator) -> Evaluator:
        """Returns the evaluator with the versions of its pin's server, and claims them."""
        pin, version = evaluator.pin, evaluator.answer_version
        if pin is None or version is None or not pin.server_name:
            return evaluator
        nth = self.find_place(version, pin.server_name)
        bound = rename_versions(evaluator, nth) if nth else evaluator
        name = bound.answer_version or ""
        before = self.claims.get(name)
        answered = before["answered"] if before and before["server"] == pin.server_name else False
        self.claims[name] = build_claim(pin, answered=answered)
        return bound

    def find_place(self, version: str, server: str) -> int:
        """Finds the place of a server among those of a version; a new one has the first free."""
        claims: list[ServerClaim] = []
        for nth in itertools.count():
            claim = self.claims.get(derive_version(version, nth))
            if claim is None:
                break
            claims.append(claim)
        own = [nth for nth, claim in enumerate(claims) if claim["server"] == server]
        free = [nth for nth, claim in enumerate(claims) if self.is_void(claim)]
        return [*own[-1:], *free, len(claims)][0]

    def is_void(self, claim: ServerClaim) -> bool:
        """Whether a server never answered and is named no more, such as one with a typing error."""
        return not claim["answered"] and claim["server"] not in self.named

    def save(self) -> None:
        """Stores the claims made so far."""
        add_claims(self.lake, self.claims)


def derive_version(version: str, nth: int) -> str:
    """Returns the answer version of a version's nth server; the first has the version itself."""
    return digest([version, "server", nth]) if nth else version


def rename_versions(evaluator: Evaluator, nth: int) -> Evaluator:
    """Returns the evaluator with the versions of its nth server."""
    parts = {**evaluator.parts, "server": str(nth)}
    answer_version = derive_version(evaluator.answer_version or "", nth)
    changes = {"parts": parts, "version": digest(parts), "answer_version": answer_version}
    return evaluator.model_copy(update=changes)


def build_claim(pin: ModelPin, *, answered: bool) -> ServerClaim:
    """Builds the claim of a pin's server."""
    address = pin.model_dump(mode="json", exclude_defaults=True)
    return ServerClaim(server=pin.server_name, pin=address, answered=answered)


def resolve_app(lake: Lake, catalog: Catalog, app: str) -> tuple[Evaluator, ...]:
    """Resolves the evaluators of an application for a home, and stores the claims."""
    servers = ModelServers(lake, catalog)
    evaluators = servers.resolve_app(app)
    servers.save()
    return evaluators


def record_answers(lake: Lake, evaluator: Evaluator) -> None:
    """Records that an evaluator's server has answered: its version is no other's from now on."""
    pin, version = evaluator.pin, evaluator.answer_version
    if pin is not None and version is not None and pin.server_name:
        add_claims(lake, {version: build_claim(pin, answered=True)})


def locate_model(lake: Lake, catalog: Catalog, evaluator: Evaluator) -> Evaluator:
    """Returns the evaluator of a night with the address at which its model is asked.

    The catalog's present one, unless another server than the present one gave its answers.
    """
    pin = evaluator.pin
    if pin is None:
        return evaluator
    now = catalog.models.get(pin.name)
    claim = read_claims(lake).get(evaluator.answer_version or "")
    if now and claim and claim["answered"] and claim["server"] != now.server_name:
        now = ModelPin.model_validate(claim["pin"]) if now.server_name else now
    return evaluator.model_copy(update={"pin": pin.served_as(now)})
