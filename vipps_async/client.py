"""VippsClient: the credentials, the session and the APIs, put together."""

from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import NoReturn, Self, TypeVar

import aiohttp
import attrs

from vipps_async._http.polling import Polls
from vipps_async._http.retry import RetryPolicy
from vipps_async._http.session import Session, open_session
from vipps_async._http.token import TokenProvider
from vipps_async._wire.durations import checked_duration
from vipps_async._wire.secret import described, hides_arguments
from vipps_async.config import Credentials, Environ, Environment, SystemInfo, check_msn
from vipps_async.epayment import EPayment
from vipps_async.errors import ConfigurationError
from vipps_async.recurring import Recurring
from vipps_async.token_cache import TokenCache
from vipps_async.token_cache._sharing import shared_fetch
from vipps_async.userinfo import Userinfo
from vipps_async.webhooks.registration import Webhooks

T = TypeVar("T")

_DEFAULT_TIMEOUT = 30.0


class VippsClient:
    """Calls the Vipps MobilePay APIs for one sales unit.

    Args:
        credentials: the sales unit's API keys.
        environment: `Environment.TEST` (the default), `Environment.PRODUCTION`, any other `Environment`, or the text
            that `Environment.from_env` takes.
        system: what the ``Vipps-System-*`` headers say; this package by default.
        session: an `aiohttp.ClientSession` to use, or a function that returns one, asked at every request; it is not
            closed. Without it the client has its own.
        timeout: seconds, or a timedelta, that a call may take, with all its attempts and waits.
        retry: how calls are attempted again.
        token_cache: where processes with the same credentials share one access token, such as a `RedisTokenCache`. It
            is not closed. Without it each client fetches its own token.
        trust_env: whether calls go through the proxy that ``HTTPS_PROXY`` names, but to hosts in ``NO_PROXY``; not
            beside a *session* of yours, which has its own.

    Raises:
        ConfigurationError: a setting cannot work.

    ::

        async with VippsClient(credentials) as vipps:
            payment = await vipps.epayment.get("acme-shop-123-order123abc")

    Make one for the life of the application: it holds the connections and the access token, which all calls share.
    """

    @hides_arguments
    def __init__(
        self,
        credentials: Credentials,
        *,
        environment: Environment | str = Environment.TEST,
        system: SystemInfo = SystemInfo(),  # noqa: B008 - frozen
        session: aiohttp.ClientSession | Callable[[], aiohttp.ClientSession] | None = None,
        timeout: float | timedelta = _DEFAULT_TIMEOUT,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        token_cache: TokenCache | None = None,
        trust_env: bool = False,
    ) -> None:
        keys = _checked("credentials", credentials, Credentials)
        named = Environment.named(environment) if isinstance(environment, str) else environment
        place = _checked("environment", named, Environment)
        http, tokens = open_session(
            keys,
            environment=place,
            system=_checked("system", system, SystemInfo),
            session=session
            if session is None or callable(session)
            else _checked("session", session, aiohttp.ClientSession),
            timeout=_seconds("timeout", timeout),
            retry=_checked("retry", retry, RetryPolicy),
            trust_env=_checked("trust_env", trust_env, bool),
            share=shared_fetch(token_cache, keys, place),
        )
        self._polls = Polls()
        self._use(http, tokens)

    @classmethod
    @hides_arguments
    def from_env(cls, environ: Environ | None = None) -> Self:
        """Make a client from the environment variables.

        They are ``VIPPS_CLIENT_ID``, ``VIPPS_CLIENT_SECRET``, ``VIPPS_SUBSCRIPTION_KEY``,
        ``VIPPS_MERCHANT_SERIAL_NUMBER`` and ``VIPPS_ENVIRONMENT`` (``test``, ``production`` or a base URL).

        Args:
            environ: where to read them, such as a dictionary; `os.environ` by default.

        Raises:
            ConfigurationError: a variable is missing or malformed.
        """
        return cls(Credentials.from_env(environ), environment=Environment.from_env(environ))

    @property
    def session(self) -> Session:
        """The session by which the classes of the APIs, one of yours among them, send their calls."""
        return self._http

    @property
    def epayment(self) -> EPayment:
        """The ePayment API."""
        return self._epayment

    @property
    def recurring(self) -> Recurring:
        """The Recurring API."""
        return self._recurring

    @property
    def userinfo(self) -> Userinfo:
        """The Userinfo API."""
        return self._userinfo

    @property
    def webhooks(self) -> Webhooks:
        """The Webhooks API."""
        return self._webhooks

    @hides_arguments
    def with_options(
        self,
        *,
        merchant_serial_number: str | None = None,
        timeout: float | timedelta | None = None,
        retry: RetryPolicy | None = None,
    ) -> Self:
        """Return a copy that shares the session and the token; close either, and both are closed.

        Args:
            merchant_serial_number: for partners, another merchant's MSN.
            timeout: seconds, or a timedelta, that a call may take.
            retry: how calls are attempted again.

        Raises:
            ConfigurationError: a setting cannot work.
        """
        old = self._http
        headers = old.headers.copy()
        if merchant_serial_number is not None:
            headers["Merchant-Serial-Number"] = check_msn(merchant_serial_number)
        http = attrs.evolve(
            old,
            headers=headers,
            timeout=old.timeout if timeout is None else _seconds("timeout", timeout),
            retry=old.retry if retry is None else _checked("retry", retry, RetryPolicy),
        )
        copy = object.__new__(type(self))
        copy._polls = self._polls
        copy._use(http, self._tokens)
        return copy

    async def close(self) -> None:
        """End what is under way in the background, and close the session if it is the client's own.

        Calls and waits that go on end in `ClientClosed`, or in `OutcomeUnknown` if they were sent. Closing again, or
        when the event loop is closed already, does nothing.
        """
        self._polls.close()
        await self._tokens.close()
        await self._http.http.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied: the API keys would be in the pickle, and the connections in neither."""
        raise TypeError(
            f"a {type(self).__name__} is neither pickled nor copied: make one in each process, and a copy with "
            "with_options()"
        )

    def __repr__(self) -> str:
        """Name the host and the merchant, and no secret."""
        return f"<{type(self).__name__} {self._http.headers['Merchant-Serial-Number']} at {self._http.base_url}>"

    def _use(self, http: Session, tokens: TokenProvider) -> None:
        self._http = http
        self._tokens = tokens
        self._epayment = EPayment(self, self._polls)
        self._recurring = Recurring(self, self._polls)
        self._userinfo = Userinfo(self)
        self._webhooks = Webhooks(self)


def _seconds(name: str, value: float | timedelta) -> float:
    return checked_duration(name, value, least=timedelta(microseconds=1)).total_seconds()


def _checked(name: str, value: object, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise ConfigurationError(f"{name}={described(value)} must be of type {kind.__name__}")
    return value
