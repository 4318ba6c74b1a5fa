"""Plain http stays within private networks; what is no URL is never taken for one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipps_async._wire.urls import is_called, is_private, is_web, is_web_or_app, normal_host, normal_url, parsed, shown

WEB = [
    "https://shop.example",
    "https://shop.example:8080/vipps?shop=1",
    "HTTPS://SHOP.EXAMPLE/",
    "https://10.0.0.1/",
    "http://localhost:8080/",
    "http://LOCALHOST/",
    "http://shop.localhost/",
    "http://127.0.0.1:1/",
    "http://127.8.9.1/",
    "http://[::1]:8080/",
    "http://10.0.0.1/",
    "http://sandbox:8090",
    "http://host.docker.internal:8090/",
    "https://blåbær.example/",
    "https://BLÅBÆR.example./",
    "https://xn--blbr-roah.example/",
    "https://my_shop.example/",
    f"https://{'a' * 63}.example/",
]
NO_HOSTS = [
    "https://shop..example/",
    "https://.shop.example/",
    "https://shop.example../",
    "https://./",
    f"https://{'a' * 64}.example/",
    f"https://{'a.' * 130}example/",
    f"https://{'å' * 60}.example/",
    f"https://{'å' * 20_000}.example/",
    "https://-shop.example/",
    "https://shop-.example/",
    "https://sh%6Fp.example/",
    "https://shop!.example/",
    "https://straße.example/",
    "https://sh\N{FULLWIDTH LATIN SMALL LETTER O}p.example/",
    "https://xn--ø.example/",
    "https://999.1.1.1/",
    "https://127.1/",
    "https://134744072/",
    "https://0x08080808/",
    "https://shop.010/",
]
NOT_WEB = [
    "http://shop.example/",
    "http://203.0.113.1/",
    "http://0.0.0.0/",
    "http://127.0.0.1.shop.example/",
    "http://localhost.shop.example/",
    "http://169.254.169.254/",
    "http://localhost@shop.example/",
    "https://",
    "https:///path",
    "https:shop.example",
    "//shop.example",
    "/path",
    "shop.example",
    "localhost:8000/return",
    "javascript:alert(1)",
    "mailto:shop@shop.example",
    "",
    "https://[::1",
    "https://shop.example:port/",
    "https://shop..example/",
    "https://.example/",
    "https://-shop.example/",
    "https://shop-.example/",
    "https://" + "a" * 64 + ".example/",
    "https://" + "a." * 127 + "example/",
    "https://sh%6Fp.example/",
    "https://shop,example/",
    "https://blå..bær.example/",
    "https://[shop]/",
    "http://a..local/",
    "https://shop.example:0/",
    "https://shop:secret@shop.example/",
    *NO_HOSTS,
]
NAMES = [
    "https://my-shop.example/",
    "https://a--b.example",
    "https://xn--blbr-roah.example/",
    "https://blåbær.example/",
    "https://my_shop.example/",
    "https://shop.example./",
    "https://" + "a" * 63 + ".example/",
    "https://[2001:db8::1]/",
    "https://8.8.8.8/",
]
CALLED = [
    "https://shop.example",
    "https://shop.example:443/x?y#z",
    "https://shop.example:80",
    "https://shop.example:8080/",
]
CALLED += ["https://8.8.8.8/", "https://[2606:4700::1111]/", "https://blåbær.example/"]
CALLED += [
    "http://localhost:9999/",
    "https://127.0.0.1:1/",
    "http://sandbox:8090/hook",
    "https://10.0.0.1:5000",
    "http://[::1]:1",
]
NOT_CALLED = [
    "https://shop.example:8443/",
    "https://shop.example:0/",
    "https://shop.example:22",
    "http://shop.example:80/",
]
NOT_CALLED += [
    "https://169.254.169.254/",
    "https://0.0.0.0/",
    "https://224.0.0.1/",
    "https://[fe80::1]/",
    "https://[::]/",
]
NOT_CALLED += ["https://1.2.3/", "https://2130706433.1/", "https://shop..example/", "https://user:key@shop.example/"]
NOT_CALLED += ["https://user@127.0.0.1/", "acmeshop://events", "", "https://", "shop.example"]


@pytest.mark.parametrize("url", WEB)
def test_https_and_private_http_are_the_web(url: str) -> None:
    """``https://`` to any host, and ``http://`` within a private network, are taken."""
    assert is_web(url)
    assert is_web_or_app(url)


@pytest.mark.parametrize("url", NAMES)
def test_whatever_can_be_a_host_is_taken(url: str) -> None:
    """Hyphens, underscores, national letters in both spellings, a trailing dot and addresses are hosts."""
    assert is_web(url)
    assert is_web_or_app(url)


@pytest.mark.parametrize("url", CALLED)
def test_a_url_on_a_known_port_is_called(url: str) -> None:
    """Vipps MobilePay calls ports 80, 443 and 8080 of the internet; a sandbox calls any port of a private network."""
    assert is_called(url)


@pytest.mark.parametrize("url", [*NOT_CALLED, None, 5])
def test_what_cannot_be_called_is_refused(url: Any) -> None:
    """Other ports, an app's scheme, credentials, and hosts that the internet does not know are refused."""
    assert not is_called(url)


@pytest.mark.parametrize("url", NOT_WEB)
def test_anything_else_is_not_the_web(url: str) -> None:
    """``http://`` over the internet, and a text without scheme or host, are refused."""
    assert not is_web(url)
    assert not is_web_or_app(url)


@pytest.mark.parametrize("url", ["acmeshop://return", "vippsMT://return?x=1", "com.acme.shop://return"])
def test_an_app_s_scheme_is_taken_only_where_apps_are(url: str) -> None:
    """A custom scheme leads back to an app, and is no web address."""
    assert is_web_or_app(url)
    assert not is_web(url)


@pytest.mark.parametrize("url", [None, 5, b"https://shop.example", ["https://shop.example"]])
def test_what_is_no_text_is_no_url(url: Any) -> None:
    """A value that is no text is refused without an exception."""
    assert not is_web(url)
    assert not is_web_or_app(url)


@given(st.text(max_size=60) | st.builds("http{}{}".format, st.sampled_from(["://", "s://", ":"]), st.text(max_size=40)))
def test_no_text_makes_it_raise(text: str) -> None:
    """Whatever the text, the answer is yes or no; and plain http never leaves this machine."""
    assert is_web(text) in {True, False}
    assert is_web_or_app(text) in {True, False}
    assert is_called(text) in {True, False}
    if parsed(text).scheme == "http" and is_web_or_app(text):
        assert is_private(parsed(text).hostname)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("a.localhost", True),
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("10.255.255.255", True),
        ("172.16.0.1", True),
        ("172.32.0.1", False),
        ("192.168.1.20", True),
        ("fd12::1", True),
        ("sandbox", True),
        ("my_service", True),
        ("ada.local", True),
        ("shop.test", True),
        ("host.docker.internal", True),
        ("169.254.169.254", False),
        ("0.0.0.1", False),
        ("128.0.0.1", False),
        ("134744072", False),
        ("0x08080808", False),
        ("local.example", False),
        ("internal.example.com", False),
        ("::2", False),
        ("localhost.example", False),
        ("", False),
        (None, False),
    ],
)
def test_private_is_what_the_internet_does_not_know(host: str | None, expected: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Addresses of private networks and of loopback, names of one label, and those under a reserved ending."""
    assert is_private(host) is expected


@pytest.mark.parametrize(
    "url",
    [
        "javascript://%0aalert(1)",
        "data://text/html,x",
        "javascript:alert(1)//javascript://",
        "localhost:80/?to=localhost://x",
    ],
)
def test_a_scheme_that_runs_or_only_looks_like_one_is_no_app(url: str) -> None:
    """A URL that would run code, or that names a scheme somewhere inside, is not taken for an app's."""
    assert not is_web_or_app(url)


@pytest.mark.parametrize(
    "url", ["https://shop.example/a/../b", "https://shop.example/%2e%2E", "https://shop.example/./"]
)
def test_a_path_that_a_client_would_resolve_is_not_called_but_led_to(url: str) -> None:
    """What is signed is the path as it is written, and what is sent would be another; a browser may resolve it."""
    assert not is_web(url)
    assert is_web_or_app(url)
    assert is_web("https://shop.example/..a/b../.well-known/c.d")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("Shop.Example", "shop.example"),
        ("shop.example.", "shop.example"),
        ("BLÅBÆR.example", "xn--blbr-roah.example"),
        ("bla\N{COMBINING RING ABOVE}bær.example", "xn--blbr-roah.example"),
        ("XN--BLBR-ROAH.example", "xn--blbr-roah.example"),
        ("my_service", "my_service"),
        ("192.168.1.20", "192.168.1.20"),
        ("FD12:0::0001", "fd12::1"),
    ],
)
def test_a_host_has_one_form(host: str, expected: str) -> None:
    """In whatever case or alphabet it is written: the form that goes over the wire, once and again."""
    assert normal_host(host) == normal_host(expected) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://shop.example/vipps?a=%7e&b=%20", "https://shop.example/vipps?a=%7e&b=%20"),
        ("HTTPS://Shop.Example:443/Vipps/", "https://shop.example/Vipps/"),
        ("https://shop.example.:8080", "https://shop.example:8080"),
        ("http://LOCALHOST:80/x", "http://localhost/x"),
        ("http://[FD12:0::1]:8080/x", "http://[fd12::1]:8080/x"),
        ("https://blåbær.example/kjøp?sted=Ås#å", "https://xn--blbr-roah.example/kj%C3%B8p?sted=%C3%85s#%C3%A5"),
        ("acmeShop://Return/ø", "acmeShop://Return/ø"),
        ("ftp://Shop.example", "ftp://Shop.example"),
        ("https://shop..example", "https://shop..example"),
    ],
)
def test_a_url_has_one_form(url: str, expected: str) -> None:
    """Scheme, host and port have one spelling, the path stays as it is written, and what is no web address is left."""
    assert normal_url(url) == normal_url(expected) == expected


@given(st.builds("https://{}/{}".format, st.text(max_size=30), st.text(max_size=30)))
def test_the_one_form_is_ascii_and_of_the_same_kind(url: str) -> None:
    """Of whatever can be called the one form can be called too, has no other form, and fits into a header."""
    if is_web(url):
        normal = normal_url(url)
        assert normal.isascii()
        assert is_web(normal)
        assert normal_url(normal) == normal


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("https://user:secret@shop.example:8080/secret?secret", "https://…@shop.example:8080/…"),
        ("https://shop..example/", "https://shop..example"),
        ("https://user:secret@shop.example:99999/", "<str, no URL>"),
        ("secret", "<str, no URL>"),
        (["secret"], "<list, no URL>"),
    ],
)
def test_a_message_shows_no_more_than_scheme_and_host(given_: Any, expected: str) -> None:
    """A password, a path and a query may be secret, and so may a text that was given in place of a URL."""
    assert shown(given_) == expected
