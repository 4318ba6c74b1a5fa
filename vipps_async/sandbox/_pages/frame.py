"""The frame of a page for people: nothing to load but the sandbox's own files. Performs no I/O."""

from collections.abc import Mapping
from types import MappingProxyType

from vipps_async.sandbox._platform.markup import Child, Markup, document, element

HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
)


def framed(title: str, *body: Child) -> Markup:
    """Return a page of this title around *body*."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title} - sandbox"),
        element("link", rel="stylesheet", href="/sandbox/style.css"),
    )
    banner = element("header", "Sandbox - no money moves", class_="banner")
    return document(head, element("body", banner, element("main", *body, class_="sheet")))
