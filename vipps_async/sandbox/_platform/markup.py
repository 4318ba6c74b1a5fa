"""HTML that is made of elements, into which text gets escaped only: a text is never taken for markup. Performs no I/O.

`Markup` is no text, and text is no `Markup`: whatever is put together of both goes through `element`, which escapes
every text and every attribute. Only this module makes `Markup` of text as it is.
"""

from collections.abc import Iterable
from html import escape
from typing import TypeAlias

import attrs

# HTML, void elements: those that have no end tag.
_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})
# What a link of a page may lead to, besides an app's own scheme: nothing that runs in the page.
_RUNNING_SCHEMES = ("javascript:", "data:", "vbscript:")


@attrs.frozen
class Markup:
    """HTML that is safe to send."""

    _html: str

    def __str__(self) -> str:
        return self._html


Child: TypeAlias = Markup | str | None


def element(tag: str, *children: Child, **attributes: str | bool) -> Markup:
    """Return an element.

    Args:
        tag: its name, which is this package's own.
        children: what is in it: texts, which are escaped, and markup; ``None`` is nothing.
        attributes: by name; an ``href`` to what would run in the page is left out. A name is written without the ``_``
            at the end of a Python keyword, and with ``-`` for ``_``. ``True`` is for one that has no value, ``False``
            for one that is left out.
    """
    written = "".join(_attribute(name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items())
    start = f"<{tag}{written}>"
    return Markup(start if tag in _VOID else f"{start}{joined(children)}</{tag}>")


def joined(children: Iterable[Child]) -> Markup:
    """Return markup and texts one after the other; texts are escaped."""
    return Markup("".join(str(child) if isinstance(child, Markup) else escape(child or "") for child in children))


def document(*children: Child, lang: str = "en") -> Markup:
    """Return a whole HTML document."""
    return Markup(f"<!doctype html>{element('html', *children, lang=lang)}")


def _attribute(name: str, value: str | bool) -> str:  # noqa: FBT001 - an attribute's value, as HTML has it
    if isinstance(value, bool):
        return f" {name}" if value else ""
    if name == "href" and _runs(value):
        return ""
    return f' {name}="{escape(value)}"'


def _runs(url: str) -> bool:
    # Browsers read past what is no character of a URL.
    return "".join(character for character in url if character > " ").lower().startswith(_RUNNING_SCHEMES)
