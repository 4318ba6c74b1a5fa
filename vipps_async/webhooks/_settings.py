"""Checks a receiver's arguments, and refuses those by which it could not keep its promise. Performs no I/O."""

from collections.abc import Iterable
from datetime import timedelta
from hashlib import sha256

from vipps_async._wire.durations import checked_duration
from vipps_async._wire.secret import Secret, described
from vipps_async._wire.urls import is_web, shown
from vipps_async.errors import ConfigurationError, shorten
from vipps_async.webhooks._inbox_policy import InboxPolicy
from vipps_async.webhooks.signals.base import Signal
from vipps_async.webhooks.signature import REDELIVERY_WINDOW, SignedUrl
from vipps_async.webhooks.stores.base import EventStore, Inbox, InboxStore

_LONGEST_NAME = 200
_LONGEST_TIMEOUT = timedelta(days=7)
_OLDEST = timedelta(days=365)
_NAME_WITHOUT_URL = "vipps"


def checked_secrets(secrets: Iterable[str], *, allow_unsigned: bool) -> tuple[str, ...]:
    """Return the secrets, if there are some or none is asked for."""
    if isinstance(secrets, str) or not isinstance(secrets, Iterable):
        raise ConfigurationError("secrets takes a list: secrets=[secret]")
    given = tuple(Secret(secret) if isinstance(secret, str) and secret.isprintable() else "" for secret in secrets)
    if not all(given):
        raise ConfigurationError("a webhook secret is empty or no text; pass what register() returned")
    if not given and not allow_unsigned:
        raise ConfigurationError(
            "no webhook secret: pass secrets=[…], or allow_unsigned=True to take events from anybody who finds the URL"
        )
    if given and allow_unsigned:
        raise ConfigurationError("secrets protect nothing with allow_unsigned=True: drop one of the two")
    return given


def checked_url(url: str | None, *, is_needed: bool) -> SignedUrl:
    """Return the parts of the registered URL that deliveries are signed with."""
    if url is None and not is_needed:
        return SignedUrl(host="", path_and_query="")
    if not url or not is_web(url):
        raise ConfigurationError(
            "url must be the registered URL, such as https://shop.example/vipps/events (http:// only within private "
            f"networks), with no .. in its path and a host that can be one, not {shown(url)}"
        )
    return SignedUrl.of(url)


def checked_name(name: str | None, url: SignedUrl) -> str:
    """Return the receiver's name: the one that is given, or its URL's host and path."""
    if name is None:
        return _name_of(f"{url.host}{url.path_and_query}" if url.host else _NAME_WITHOUT_URL)
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
        raise ConfigurationError(f"name={shorten(name)} must be 1 to {_LONGEST_NAME} printable characters")
    return name


def _name_of(url: str) -> str:
    # A URL may be longer than a name, and two of them may differ at the end only.
    return url if len(url) <= _LONGEST_NAME else f"{url[:100]}~{sha256(url.encode()).hexdigest()}"


def checked_timeout(name: str, value: float | timedelta) -> timedelta:
    """Return how long something of a receiver's may take."""
    return checked_duration(name, value, most=_LONGEST_TIMEOUT)


def checked_age(name: str, value: float | timedelta) -> timedelta:
    """Return how far a signed date may be from the present."""
    return checked_duration(name, value, least=timedelta(0), most=_OLDEST)


def check_limits(store: EventStore, *, max_age: timedelta, leeway: timedelta, max_body: int) -> None:
    """Return if the limits are limits, and *store* remembers an event for as long as deliveries of it can come.

    A redelivery is signed anew, so that a short *max_age* keeps none out: a signature's age is not its event's.
    """
    if type(max_body) is not int or max_body < 1:
        raise ConfigurationError(f"max_body={described(max_body)} must be 1 or more bytes")
    if not hasattr(store, "claim"):
        raise ConfigurationError(f"store={described(store)} must be a store, such as MemoryStore()")
    needed = max(REDELIVERY_WINDOW, max_age) + leeway
    if store.retention < needed:
        raise ConfigurationError(
            f"the store remembers events for {store.retention}, but an event is redelivered, or taken, for {needed}, "
            "so that it could take effect twice: raise the store's retention"
        )


def checked_inbox(store: EventStore, policy: InboxPolicy) -> Inbox:
    """Return the store's inbox, if it has one."""
    if not isinstance(policy, InboxPolicy):
        raise ConfigurationError(
            f"inbox={described(policy)} must be an InboxPolicy, as in inbox=InboxPolicy(), or be left out"
        )
    if not isinstance(store, InboxStore):
        raise ConfigurationError(
            f"a {type(store).__name__} cannot hold events for an inbox: use SQLiteStore or PostgresStore, or leave "
            "inbox out"
        )
    return store.inbox


def checked_signal(signal: Signal | None) -> Signal | None:
    """Return the signal, if it is one or none."""
    if signal is not None and not (hasattr(signal, "announce") and hasattr(signal, "watch")):
        raise ConfigurationError(
            f"signal={described(signal)} must be a signal, such as RedisSignal(client), or be left out"
        )
    return signal
