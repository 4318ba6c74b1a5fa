"""Everything that one sandbox remembers, wired together, apart from the server that it is reached through."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeVar

import attrs

from vipps_async.config import Credentials
from vipps_async.errors import ConfigurationError, shorten
from vipps_async.sandbox._epayment.definition import EPAYMENT
from vipps_async.sandbox._faults.plan import FaultPlan
from vipps_async.sandbox._faults.targets import FaultTargets
from vipps_async.sandbox._other_apis import OTHER_APIS
from vipps_async.sandbox._platform.access_tokens import TOKENS
from vipps_async.sandbox._platform.api import ApiDefinition, Destination, Platform
from vipps_async.sandbox._platform.clock import Clock
from vipps_async.sandbox._platform.consents import Consents
from vipps_async.sandbox._platform.gateway import Gateway, ServedApi
from vipps_async.sandbox._platform.idempotency import GivenAnswer, IdempotencyCache
from vipps_async.sandbox._platform.pages import ApiPage
from vipps_async.sandbox._platform.problems import draft_problem_document, problem_document
from vipps_async.sandbox._platform.rate_limits import RateLimits
from vipps_async.sandbox._platform.routes import Route
from vipps_async.sandbox._platform.saving import restored, saved
from vipps_async.sandbox._platform.tokens import Tokens
from vipps_async.sandbox._recurring.definition import RECURRING
from vipps_async.sandbox._userinfo.definition import USERINFO
from vipps_async.sandbox._webhooks.api import WEBHOOKS, SalesUnitWebhooks
from vipps_async.sandbox._webhooks.deliveries import Deliveries
from vipps_async.sandbox._webhooks.records import RequestLog
from vipps_async.sandbox._webhooks.registrations import LIMIT, Registration, Registrations
from vipps_async.sandbox._webhooks.schedules import CURRENT, DRAFT, Schedule

# The one list of the APIs.
APIS: tuple[ApiDefinition, ...] = (TOKENS, EPAYMENT, RECURRING, USERINFO, WEBHOOKS, *OTHER_APIS)
_VERSION = 1  # of what is saved
TARGETS = FaultTargets.of(APIS)


@attrs.frozen(kw_only=True)
class Dialect:
    """The differences between the versions beside the APIs themselves.

    Attributes:
        word: puts a problem into words.
        schedule: when deliveries that failed are tried again.
    """

    word: Callable[..., Mapping[str, Any]]
    schedule: Schedule


DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "current": Dialect(word=problem_document, schedule=CURRENT),
        "draft": Dialect(word=draft_problem_document, schedule=DRAFT),
    }
)

A = TypeVar("A")


@attrs.frozen(kw_only=True)
class SandboxState:
    """One sales unit and all that happened to it.

    Attributes:
        gateway: answers requests.
        webhooks: where events go.
        deliveries: what is on its way there.
        faults: what goes wrong.
        consents: what users told.
        redirect_url: returns the address of a destination for a token.
        requests: the latest requests.
    """

    gateway: Gateway
    webhooks: SalesUnitWebhooks
    deliveries: Deliveries
    faults: FaultPlan
    consents: Consents
    redirect_url: Callable[[Destination, str], str]
    requests: RequestLog = attrs.field(factory=RequestLog)

    @property
    def credentials(self) -> Credentials:
        """The sales unit's keys."""
        return self.gateway.credentials

    @property
    def clock(self) -> Clock:
        """The present."""
        return self.gateway.clock

    @property
    def merchant(self) -> str:
        """The name of the sales unit on pages."""
        return f"Test shop {self.credentials.merchant_serial_number}"

    @property
    def pages(self) -> Sequence[ApiPage]:
        """The pages of the APIs."""
        return [served.api.page for served in self.gateway.apis if served.api.page is not None]

    @property
    def routes(self) -> Sequence[Route]:
        """What is served of the APIs."""
        return [route for served in self.gateway.apis for route in served.definition.routes]

    def api(self, kind: type[A]) -> A:
        """Return the API of this class."""
        return next(served.api for served in self.gateway.apis if isinstance(served.api, kind))

    def expire_due(self) -> None:
        """Do what fell due."""
        self.gateway.expire_due()

    def save(self) -> dict[str, Any]:
        """Return what there is, ready for JSON: the APIs' things, used keys, webhooks with their secrets, and the time.

        Not what is under way, nor what is only looked at: deliveries, requests, tokens, faults.
        """
        return {
            "version": _VERSION,
            "now": self.clock.now().isoformat(),
            "webhooks": saved(self.webhooks.registrations.all()),
            "apis": {served.definition.name: served.api.save() for served in self.gateway.apis},
            "answers": saved(self.gateway.answers.all()),
            "addresses": self._addresses(),
        }

    def restore(self, data: Any) -> None:
        """Remember what was saved, beside what there is; the clock is then no earlier than it was.

        Raises:
            ConfigurationError: nothing like that was saved, or some of it is there already.
        """
        if not isinstance(data, dict) or data.get("version") != _VERSION:
            raise ConfigurationError(
                f"what is loaded must be what a sandbox of this version saved, not {shorten(data)}"
            )
        registrations = restored(data.get("webhooks"), tuple[Registration, ...])
        answers = restored(data.get("answers"), tuple[GivenAnswer, ...])
        addresses = restored(data.get("addresses"), dict[str, str])
        behind = restored(data.get("now"), datetime) - self.clock.now()
        for served in self.gateway.apis:
            if (mine := data.get("apis", {}).get(served.definition.name)) is not None:
                served.api.restore(mine)
        self.webhooks.registrations.restore(registrations)
        self.gateway.answers.restore(self._led_here(answers, addresses))
        if behind > timedelta():
            self.clock.advance(behind)
        self.expire_due()

    def _addresses(self) -> dict[str, str]:
        return {destination.name: self.redirect_url(destination, "") for destination in Destination}

    def _led_here(self, answers: Iterable[GivenAnswer], addresses: Mapping[str, str]) -> Iterator[GivenAnswer]:
        # An answer tells where the user is sent, which is the sandbox that has the payment now.
        here = self._addresses()
        for answer in answers:
            body = answer.reply.body
            for name, there in addresses.items():
                body = body.replace(there.encode(), here.get(name, there).encode())
            yield attrs.evolve(answer, reply=attrs.evolve(answer.reply, body=body))

    async def reset(self) -> None:
        """Forget everything, and return to the real time."""
        await self.deliveries.reset()
        gateway = self.gateway
        for served in gateway.apis:
            served.api.clear()
        for part in (gateway.answers, gateway.rate_limits, self.webhooks.registrations, self.requests, self.consents):
            part.clear()
        self.faults.reset()
        gateway.tokens.revoke_all()
        gateway.clock.reset()


def new_state(
    *,
    apis: Sequence[ApiDefinition],
    dialect: str,
    credentials: Credentials,
    currency: str | None,
    denied: frozenset[str],
    token_lifetime: timedelta,
    rate_limits: bool,
    copies: int,
    retry_delays: Sequence[float] | None,
    seed: int | None,
    strict: bool,
    base_url: Callable[[], str],
    redirect_url: Callable[[Destination, str], str],
) -> SandboxState:
    """Return the state of a new sandbox.

    Args:
        apis: what is served, and what can be registered for.
        dialect: which version of the APIs it speaks.
        credentials: the sales unit's keys.
        currency: of its market; ``None``: it takes every one.
        denied: what it may not do.
        token_lifetime: how long an access token is valid.
        rate_limits: whether too many calls about one thing are refused.
        copies: how often each event is delivered successfully.
        retry_delays: seconds between attempts of a delivery, the last one repeated; ``None``: the documented ones.
        seed: of the chance by which faults are injected; ``None`` takes any.
        strict: whether requests are held to the documents.
        base_url: returns the address of the APIs.
        redirect_url: returns the address of a destination for a token.
    """
    schedule, clock, tokens, consents = DIALECTS[dialect].schedule, Clock(), Tokens(token_lifetime), Consents()
    registrations = Registrations(types=_limits(apis), remove_after=schedule.remove_after)
    faults = FaultPlan(FaultTargets.of(apis), seed)
    deliveries = Deliveries(
        clock=clock,
        registrations=registrations,
        faults=faults,
        copies=copies,
        retry_delays=schedule.retry_delays if retry_delays is None else retry_delays,
        give_up_after=schedule.give_up_after,
    )
    webhooks = SalesUnitWebhooks(registrations, deliveries.cancel_deliveries, _sent_types(apis))
    platform = Platform(
        credentials=credentials,
        clock=clock,
        tokens=tokens,
        webhooks=webhooks,
        consents=consents,
        currency=currency,
        denied=denied,
        strict=strict,
        base_url=base_url,
        redirect_url=redirect_url,
        publish=deliveries.publish,
    )
    gateway = Gateway(
        apis=[_opened(api, platform, dialect) for api in apis if api.routes],
        word=DIALECTS[dialect].word,
        credentials=credentials,
        clock=clock,
        tokens=tokens,
        rate_limits=RateLimits(enforced=rate_limits),
        answers=IdempotencyCache(),
        strict=strict,
    )
    return SandboxState(
        gateway=gateway,
        webhooks=webhooks,
        deliveries=deliveries,
        faults=faults,
        consents=consents,
        redirect_url=redirect_url,
    )


def _opened(api: ApiDefinition, platform: Platform, dialect: str) -> ServedApi:
    version = (api.draft or api) if dialect == "draft" else api
    return ServedApi(definition=version, api=version.open(platform))


def _limits(apis: Sequence[ApiDefinition]) -> dict[str, int]:
    return {kind: api.event_limits.get(kind, LIMIT) for api in apis for kind in api.event_types.values() if kind}


def _sent_types(apis: Sequence[ApiDefinition]) -> tuple[str, ...]:
    return tuple(kind for api in apis if api.routes for kind in api.event_types.values() if kind)
