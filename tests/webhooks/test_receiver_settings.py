"""A receiver that could not protect its shop is not made, and what is made shows no secret."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.webhooks.deliveries import SECRET, URL, delivery, event, receiver_of, signed
from vipps_async.errors import ConfigurationError
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"secrets": []}, "no webhook secret: pass secrets=[…], or allow_unsigned=True"),
        ({"secrets": [SECRET, ""]}, "a webhook secret is empty"),
        ({"secrets": SECRET}, "secrets takes a list: secrets=[secret]"),
        ({"secrets": [SECRET, 5]}, "a webhook secret is empty or no text"),
        ({"secrets": [None]}, "a webhook secret is empty or no text"),
        ({"secrets": [SECRET.encode()]}, "a webhook secret is empty or no text"),
        ({"secrets": [SECRET + "\ud800"]}, "a webhook secret is empty or no text"),
        ({"max_body": 0}, "max_body=0 must be 1 or more"),
        ({"max_body": -1}, "max_body=-1 must be 1 or more"),
        ({"max_age": -timedelta(seconds=1)}, "max_age=-1 s must be seconds, or a timedelta, from 0 seconds"),
        ({"leeway": -1.0}, "leeway=-1.0 must be seconds, or a timedelta, from 0 seconds"),
        ({"leeway": "5"}, "leeway=<text of 1 characters> must be seconds, or a timedelta"),
        ({"max_body": "x"}, " must be 1 or more bytes"),
        ({"max_body": None}, " must be 1 or more bytes"),
        ({"max_body": 1.5}, " must be 1 or more bytes"),
        ({"store": None}, "store=None must be a store, such as MemoryStore()"),
        ({"allow_unsigned": True, "secrets": [SECRET]}, "secrets protect nothing with allow_unsigned=True"),
        ({"url": None}, "url must be the registered URL"),
        ({"url": ""}, "url must be the registered URL"),
        ({"url": "/vipps/events"}, "url must be the registered URL"),
        ({"url": "http://shop.example/vipps"}, "url must be the registered URL"),
        ({"url": "https://shop.example/vipps/../events"}, "no .. in its path"),
        ({"url": "https://shop..example/vipps/events"}, "a host that can be one, not https://shop..example/…"),
        ({"url": "https://user:word@shop.example/vipps"}, "not https://…@shop.example/…"),
        ({"allow_unsigned": True, "url": "shop.example"}, "url must be the registered URL"),
        ({"store": MemoryStore(retention=timedelta(days=7))}, "the store remembers events for 7 days, 0:00:00"),
        (
            {"max_age": timedelta(days=9)},
            "for 9 days, 0:05:00, so that it could take effect twice: raise the store's retention",
        ),
        ({"store": MemoryStore(retention=timedelta(hours=1)), "max_age": timedelta(minutes=5)}, "raise the store's"),
        *(
            ({name: value}, " must be seconds, or a timedelta, from 0.001 seconds to 7 days")
            for name in ("handler_timeout", "shutdown_timeout")
            for value in (0, -1.0, True, "5", None, float("nan"), float("inf"), 1e300, timedelta(0), timedelta(days=8))
        ),
        *(({"name": name}, "must be 1 to 200 printable characters") for name in ("", "a\nb", "x" * 201, 5, "\x1b[2J")),
        ({"leeway": timedelta(days=2)}, "is redelivered, or taken, for 9 days, 0:00:00"),
    ],
)
def test_a_receiver_that_could_not_protect_is_refused(settings: dict[str, Any], message: str) -> None:
    """Bad secrets, URLs, limits and stores that forget too early are errors from the start, and show no secret."""
    with pytest.raises(ConfigurationError) as refusal:
        receiver_of(**settings)
    assert message in str(refusal.value)
    assert SECRET not in str(refusal.value)


def test_the_smallest_limits_are_limits() -> None:
    """A body of one byte, and a window of no time at all, are settings."""
    assert receiver_of(max_body=1, max_age=timedelta(0), leeway=timedelta(0))


def test_a_store_may_remember_exactly_as_long() -> None:
    """A retention of maximum age and leeway together is enough."""
    assert receiver_of(store=MemoryStore(retention=timedelta(days=7, minutes=5)))


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "shop.example/vipps/events?shop=1"),
        ({"url": "https://shop.example:443/vipps"}, "shop.example/vipps"),
        ({"url": None, "secrets": [], "allow_unsigned": True}, "vipps"),
        ({"name": "kjøp og salg"}, "kjøp og salg"),
    ],
)
def test_a_receiver_has_a_name(settings: dict[str, Any], name: str) -> None:
    """Its own, or its URL's host and path as they are signed."""
    assert WebhookReceiver(**{"url": URL, "secrets": [SECRET], "store": MemoryStore(), **settings}).name == name


def test_long_urls_have_names_of_their_own() -> None:
    """A name is short, and two URLs that differ at their very end have two."""
    names = {receiver_of(url=f"https://shop.example/{'x' * 1000}{last}").name for last in "ab"}
    assert len(names) == 2
    assert all(len(name) <= 200 for name in names)


@pytest.mark.parametrize("most", [None, "5", 1.5, True, 0])
def test_a_memory_store_remembers_a_whole_number_of_events(most: Any) -> None:
    """A limit that is no number above 0 is refused when the store is made."""
    with pytest.raises(ConfigurationError, match="max_events"):
        MemoryStore(max_events=most)


@pytest.mark.parametrize("names", [(), (print,), ("CAPTURED", None), (int, "CAPTURE D")])
def test_on_takes_names(names: Any) -> None:
    """Forgetting the parentheses, or a name, is an error where the handler is written."""
    with pytest.raises(ConfigurationError, match=r"on\(\) takes one or more events|there is no event"):
        receiver_of().on(*names)


def test_no_repr_shows_a_secret() -> None:
    """Neither the receiver, nor what it holds, nor a delivery shows a secret or a signature."""
    receiver = receiver_of()
    for text in (repr(receiver), repr(vars(receiver)), repr(delivery(event()))):
        assert SECRET not in text
        assert signed(event())["Authorization"] not in text
    assert "2018200034" not in repr(delivery(event()))


def test_a_receiver_knows_the_path_that_it_is_registered_for() -> None:
    """Without the query; none where it has no URL."""
    signed = WebhookReceiver(url="https://shop.example/vipps/events?shop=1", secrets=["s"], store=MemoryStore())
    assert signed.path == "/vipps/events"
    assert WebhookReceiver(store=MemoryStore(), allow_unsigned=True).path is None
