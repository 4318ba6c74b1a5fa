"""The interface by which pages and the control surface show an API, and act on it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import attrs

from vipps_async.sandbox._platform.markup import Markup
from vipps_async.sandbox._platform.schema import Check


@attrs.frozen(kw_only=True)
class QrForm:
    """The form of a QR code.

    Attributes:
        target: the URL that it holds.
        as_png: whether it is a PNG image, or else SVG.
        size: pixels of the PNG image, if that was said.
    """

    target: str
    as_png: bool
    size: int | None


@attrs.frozen(kw_only=True)
class LogEntry:
    """Something that happened to a thing.

    Attributes:
        what: in a few words.
        at: when.
        details: what else is known of it.
    """

    what: str
    at: datetime
    details: str


@attrs.frozen(kw_only=True)
class Card:
    """A thing as the dashboard shows it.

    Attributes:
        reference: what it is known by.
        state: the state it is in.
        tone: the colour of that: ``"waiting"``, ``"good"``, ``"bad"`` or ``""``.
        figure: how much it is about.
        note: what became of that.
        actions: those that can be done to it now.
        link: the address at which its user acts; ``None``: nowhere.
        log: what happened to it, oldest first.
    """

    reference: str
    state: str
    tone: str
    figure: str
    note: str
    actions: Sequence[str]
    link: str | None
    log: Sequence[LogEntry]


class ApiPage(Protocol):
    """Shows what is in an API, and acts on it."""

    @property
    def api(self) -> str:
        """The name of its API."""
        ...

    @property
    def collection(self) -> str:
        """The name of its things: the part of the control surface's paths that stands for them."""
        ...

    @property
    def title(self) -> str:
        """The heading of its things on the dashboard."""
        ...

    @property
    def empty(self) -> str:
        """What the dashboard says where there is none."""
        ...

    @property
    def details(self) -> str:
        """What the details of its actions may be, for people."""
        ...

    @property
    def actions(self) -> Mapping[str, Check]:
        """The actions on one of them, each with the check of the details that are given."""
        ...

    @property
    def states(self) -> Sequence[str]:
        """The states that one of them can be in."""
        ...

    def latest(self, text: str, state: str = "") -> Iterator[Any]:
        """Yield those whose reference contains *text*, newest first; each is another object once it has changed.

        Args:
            text: part of a reference.
            state: the one that they are in; an empty text for any.
        """
        ...

    def reference_of(self, item: Any) -> str:
        """Return what a thing is known by."""
        ...

    def shown(self, item: Any) -> dict[str, Any]:
        """Return what the control surface tells of a thing."""
        ...

    def card(self, item: Any) -> Card:
        """Return how the dashboard shows a thing."""
        ...

    async def act(self, reference: str, action: str, details: Mapping[str, Any]) -> Any:
        """Do something to a thing, and return it.

        Raises:
            UnknownReference: there is none of this reference.
            ActionRefused: it cannot be done.
        """
        ...

    def reference_of_token(self, token: str) -> str | None:
        """Return which of them a redirect URL's token stands for, ``None`` for none."""
        ...

    def landing(self, token: str, form: Mapping[str, str], refusal: str | None) -> Markup:
        """Return the body of the page on which the user acts.

        Args:
            token: of a redirect URL, which stands for something.
            form: what the user sent just now, if that was refused.
            refusal: why.
        """
        ...

    async def submit(self, token: str, form: Mapping[str, str]) -> str | None:
        """Do what the user's *form* says; return the address to go to, ``None`` for the page itself.

        Raises:
            KeyError: the form has no button that there is.
            UnknownReference: it was forgotten meanwhile.
            ActionRefused: it cannot be done.
        """
        ...

    def qr_form(self, token: str) -> QrForm | None:
        """Return how the QR code of a token is wanted; ``None`` where nobody can use it any more."""
        ...
