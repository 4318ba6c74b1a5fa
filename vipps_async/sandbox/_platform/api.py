"""An API as one value, and what the platform gives it to work with. Performs no I/O."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, Protocol

import attrs

from vipps_async.config import Credentials
from vipps_async.sandbox._platform.auth import PRINTABLE_KEYS, KeyRule
from vipps_async.sandbox._platform.clock import Clock
from vipps_async.sandbox._platform.consents import Consents
from vipps_async.sandbox._platform.events import SandboxEvent
from vipps_async.sandbox._platform.pages import ApiPage
from vipps_async.sandbox._platform.problems import ErrorTable, ProblemError, coded, plain
from vipps_async.sandbox._platform.routes import Route
from vipps_async.sandbox._platform.tokens import Tokens

_NOTHING: Mapping[Any, Any] = MappingProxyType({})
_STATUS_TEXTS = {423: "Another operation is running on it; try again shortly.", 500: "Something went wrong here."}


class Destination(Enum):
    """The kind of a redirect URL."""

    LANDING_PAGE = auto()
    QR_IMAGE = auto()
    APP = auto()


class Webhooks(Protocol):
    """The webhooks of the sales unit."""

    def register(self, url: str, events: Iterable[str]) -> Any:
        """Register one, within the limits; raises ProblemError."""
        ...

    def delete(self, identifier: str) -> bool:
        """Remove one, and end its deliveries; return whether there was one."""
        ...

    def documents(self) -> list[dict[str, Any]]:
        """Return what a list shows of them."""
        ...


@attrs.frozen(kw_only=True)
class Platform:
    """The services of the platform to an API.

    Attributes:
        credentials: the sales unit's keys.
        clock: the present.
        tokens: the access tokens.
        webhooks: the sales unit's.
        consents: what its users told.
        currency: of its market, ISO 4217; ``None``: it takes every one.
        denied: what it may not do.
        strict: whether requests are held to the documents.
        base_url: returns the address of the APIs.
        redirect_url: returns the address of a destination for a token.
        publish: has an event delivered.
    """

    credentials: Credentials
    clock: Clock
    tokens: Tokens
    webhooks: Webhooks
    consents: Consents
    currency: str | None
    denied: frozenset[str]
    strict: bool
    base_url: Callable[[], str]
    redirect_url: Callable[[Destination, str], str]
    publish: Callable[[SandboxEvent], None]


class OpenApi(Protocol):
    """An API of one sandbox, with all that happened to it."""

    @property
    def page(self) -> ApiPage | None:
        """The page on which people see it, if there is one."""
        ...

    def expire_due(self, *, now: datetime) -> None:
        """Do what fell due."""
        ...

    def clear(self) -> None:
        """Forget everything."""
        ...

    def save(self) -> Any:
        """Return everything, ready for JSON."""
        ...

    def restore(self, data: Any) -> None:
        """Remember what was saved, beside what there is.

        Raises:
            ConfigurationError: nothing like that was saved, or it is there already; nothing is changed then.
        """
        ...


@attrs.frozen
class Stateless:
    """An API that remembers nothing itself."""

    platform: Platform
    page: None = None

    def expire_due(self, *, now: datetime) -> None:
        """Do nothing: nothing falls due."""

    def clear(self) -> None:
        """Do nothing: there is nothing to forget."""

    def save(self) -> None:
        """Return nothing."""

    def restore(self, data: Any) -> None:
        """Do nothing: there is nothing to remember."""


@attrs.frozen(kw_only=True)
class SampleFacts:
    """The contents of a sample of an event.

    Attributes:
        reference: the id that it is about; ``None``: one of the sandbox's own.
        parent: the id of what that belongs to, where it belongs to something; ``None``: likewise.
        amount: in minor units.
        currency: of *amount*, ISO 4217.
        event_id: the event's own; ``None``: a new one.
        msn: the sales unit's.
        now: when it happened.
        success: whether the operation went well.
    """

    reference: str | None
    amount: int
    currency: str
    event_id: str | None
    msn: str
    now: datetime
    success: bool = True
    parent: str | None = None


@attrs.frozen(kw_only=True, repr=False)
class ApiDefinition:
    """An API.

    Attributes:
        name: as its operations begin.
        prefix: of its paths, which problems leave out of their ``instance``.
        routes: its operations; none for one that is not served, whose events can be registered for.
        open: returns it for one sandbox.
        errors: its error codes.
        status_errors: the code that goes with a status that a fault demands.
        event_types: its events by short name, or by type where there is none; ``None`` for one without a type.
        event_limits: how many webhooks a type may have, where it is not 25.
        sample: returns the body of an event of this name that did not happen.
        keys: its rule of idempotency keys.
        permissions: those of a sales unit that it asks for.
        word: puts a problem into words, where the API has its own.
        draft: the API as it was drafted, where that differs.
    """

    name: str
    prefix: str = ""
    routes: tuple[Route, ...] = ()
    open: Callable[[Platform], OpenApi] = Stateless
    errors: ErrorTable = _NOTHING
    status_errors: Mapping[int, str] = _NOTHING
    event_types: Mapping[str, str | None] = _NOTHING
    event_limits: Mapping[str, int] = _NOTHING
    sample: Callable[[str, SampleFacts], bytes] | None = None
    keys: KeyRule = PRINTABLE_KEYS
    permissions: tuple[str, ...] = ()
    word: Callable[..., Mapping[str, Any]] | None = None
    draft: "ApiDefinition | None" = None

    def __repr__(self) -> str:
        """Tell the name alone: signatures show the default APIs."""
        return f"<ApiDefinition {self.name}>"

    @property
    def codes(self) -> tuple[str, ...]:
        """The documented error codes."""
        return tuple(self.errors)

    def error(self, code: str, detail: str | None = None) -> ProblemError:
        """Return what the API answers with this code, one of another API's included, which it has no words for."""
        return coded(self.errors, code, detail) if code in self.errors else plain(400, detail or f"Error {code}.")

    def error_of_status(self, status: int) -> ProblemError:
        """Return what the API answers with this status."""
        code = self.status_errors.get(status)
        return self.error(code) if code else plain(status, _STATUS_TEXTS[status])
