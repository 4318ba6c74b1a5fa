"""A refused signature says what is likely wrong, and never the secret."""

import pytest

from tests.webhooks.test_signature import NOW, VECTOR, check, headers_of
from vipps_async.errors import NotAuthentic
from vipps_async.webhooks.signature import SignedUrl

PATH = VECTOR["pathAndQuery"]


@pytest.mark.parametrize(
    ("registered", "arrived_host", "target", "cause"),
    [
        (
            f"https://shop.example{PATH}",
            "webhook.site",
            PATH,
            "it is signed for host webhook.site, and .* shop.example",
        ),
        ("https://webhook.site/vipps", "webhook.site", PATH, f"it is signed for path {PATH}, and .* /vipps"),
        ("https://shop.example/vipps", "webhook.site", PATH, f"it is signed for webhook.site{PATH}, not for shop.exa"),
        (
            "https://shop.example/vipps",
            "10.0.0.7",
            "/internal",
            "the secret is not that of this webhook's registration",
        ),
    ],
)
def test_likely_cause_is_named(registered: str, arrived_host: str, target: str, cause: str) -> None:
    """A delivery that is authentic for the host or path it arrived at names the receiver's url as the cause."""
    headers = {**headers_of(VECTOR), "host": arrived_host}
    with pytest.raises(NotAuthentic, match=cause):
        check(headers=headers, url=SignedUrl.of(registered), target=target)


def test_wrong_secret_is_named_as_a_cause_and_not_shown() -> None:
    """A delivery that no secret signed names the secret as a likely cause, without a character of it."""
    with pytest.raises(NotAuthentic, match="the secret is not that of this webhook's registration") as caught:
        check(secrets=["another-secret-of-mine"])
    assert "another-secret" not in str(caught.value)


def test_what_arrived_proves_nothing() -> None:
    """A delivery that is signed for where it arrived, and not for the registered URL, is refused all the same."""
    with pytest.raises(NotAuthentic):
        check(
            headers={**headers_of(VECTOR), "host": VECTOR["host"]},
            url=SignedUrl.of("https://shop.example/"),
            target=PATH,
            now=NOW,
        )
