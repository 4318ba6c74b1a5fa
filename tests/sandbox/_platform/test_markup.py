"""Markup: whatever a text holds, a browser reads it back as that text, and as nothing else."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipps_async.sandbox._platform.markup import Markup, document, element, joined

# What HTML can hold: a parser replaces NUL, and reads a carriage return as a line feed.
TEXTS = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]))
HOSTILE = st.sampled_from(["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</p>", "&lt;", "'", "<!--"])


class Reader(HTMLParser):
    """Reads what a browser would."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.ends: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Note its end."""
        self.ends.append(tag)

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text += data


def read(markup: Markup) -> Reader:
    """Read markup."""
    reader = Reader()
    reader.feed(str(markup))
    reader.close()
    return reader


@given(text=TEXTS | HOSTILE, value=TEXTS | HOSTILE)
def test_a_text_stays_a_text(text: str, value: str) -> None:
    """As a child and as an attribute's value."""
    found = read(element("p", text, title=value))
    assert (found.elements, found.text, found.ends) == ([("p", {"title": value})], text, ["p"])


@given(texts=st.lists(TEXTS | HOSTILE))
def test_texts_that_are_joined_stay_texts(texts: list[str]) -> None:
    """Side by side with markup, which stays markup."""
    found = read(joined([*texts, element("b", *texts)]))
    assert (found.elements, found.text) == ([("b", {})], "".join(texts) * 2)


def test_the_only_way_in_escapes() -> None:
    """Markup is no text: to write it into a text is to lose it, which shows at once."""
    inner = element("b", "x")
    assert read(element("p", f"{inner}")).text == "<b>x</b>"
    assert read(element("p", inner)).elements == [("p", {}), ("b", {})]


def test_attributes_are_written_as_html_has_them() -> None:
    """Python's names become HTML's; one that is true has no value, and one that is false is not there."""
    markup = element("label", for_="a", aria_label="b", hidden=True, required=False)
    assert str(markup) == '<label for="a" aria-label="b" hidden></label>'


def test_what_has_no_end_tag_has_none() -> None:
    """HTML's void elements."""
    assert str(element("br")) == "<br>"
    assert str(document(None, lang="nb")) == '<!doctype html><html lang="nb"></html>'


@pytest.mark.parametrize("url", ["javascript:alert(1)", " java\nscript:alert(1)", "DATA:text/html,x", "vbscript:x"])
def test_a_link_to_what_would_run_leads_nowhere(url: str) -> None:
    """Whoever creates a payment chooses where its user goes, but runs nothing in the page."""
    assert read(element("a", "back", href=url)).elements == [("a", {})]


@pytest.mark.parametrize("url", ["https://shop.example/?q=javascript:", "myapp://done", "/landing?token=1"])
def test_a_link_to_elsewhere_stays(url: str) -> None:
    """A web address, an app's own scheme, a path."""
    assert read(element("a", "back", href=url)).elements == [("a", {"href": url})]
