"""The dashboard's part for each API: where its things appear, what a card of one is, and what it serves.

Performs no I/O.
"""

from collections.abc import Iterable, Iterator

from vipps_async.sandbox._faults.faults import DeliveryFault
from vipps_async.sandbox._platform.markup import Child, Markup, element, joined
from vipps_async.sandbox._platform.pages import ApiPage
from vipps_async.sandbox._platform.routes import Route


def jumps(pages: Iterable[ApiPage]) -> Markup:
    """Return the links to the sections of *pages*."""
    return joined(part for page in pages for part in (element("a", page.title, href=f"#{page.collection}-part"), " · "))


def sections(pages: Iterable[ApiPage]) -> Markup:
    """Return where the things of each page appear."""
    return joined(_section(page) for page in pages)


def templates(pages: Iterable[ApiPage]) -> Markup:
    """Return the card of a thing of each page, to be filled in."""
    return joined(element("template", _card(page), id=f"card-of-{page.collection}") for page in pages)


def fault_options() -> Markup:
    """Return the faults of a delivery to choose from."""
    faults = (element("option", f"{fault.spelling}: {fault.meaning}", value=fault.value) for fault in DeliveryFault)
    return joined([element("option", "no fault", value=""), *faults])


def endpoints(routes: Iterable[Route], pages: Iterable[ApiPage]) -> Markup:
    """Return the list of what is served: each operation with its name, and the control surface's part for each page."""
    operations = (_endpoint(f"{route.method} {route.path}", element("code", route.operation)) for route in routes)
    return joined([*operations, *(_controls(page) for page in pages)])


def _section(page: ApiPage) -> Markup:
    name = page.collection
    title = element("h2", page.title, id=f"{name}-title")
    return element(
        "section",
        element("div", title, element("span", id=f"{name}-count", class_="soft"), class_="title"),
        element("ol", id=name, class_="cards", role="list"),
        element("p", page.empty, class_="empty"),
        id=f"{name}-part",
        aria_labelledby=f"{name}-title",
        data_collection_part=name,
    )


def _card(page: ApiPage) -> Markup:
    head = [element("h3", data_slot="reference"), element("span", class_="state", data_slot="state")]
    figures: list[Child] = [
        element("strong", data_slot="figure"),
        " ",
        element("span", class_="soft", data_slot="note"),
    ]
    return element(
        "li",
        element("div", *head, class_="head"),
        element("p", *figures, class_="figures"),
        element("div", *_buttons(page), element("select", fault_options()), class_="actions"),
        element("p", class_="refusal", role="alert", data_slot="refusal"),
        _log(),
        class_="card",
        data_collection=page.collection,
    )


def _buttons(page: ApiPage) -> Iterator[Markup]:
    for number, action in enumerate(page.actions):
        kind = "" if number else "primary"
        yield element("button", action.capitalize(), type="button", class_=kind, data_act=action)


def _log() -> Markup:
    only = element("button", "Show this one only", type="button", class_="plain", data_filter=True)
    return element(
        "details",
        element("summary", data_slot="log"),
        element("ol", class_="log"),
        element("p", element("a", "Landing page"), only, class_="links"),
    )


def _endpoint(request: str, meaning: Child) -> Markup:
    return joined([element("dt", element("code", request)), element("dd", meaning)])


def _controls(page: ApiPage) -> Markup:
    place = f"/sandbox/{page.collection}"
    actions = f"{place}/{{reference}}/{{{'|'.join(page.actions)}}}"
    meaning = f'act as the user, or as time does; {{"fault": …}} is injected into its delivery, {page.details}'
    return joined([_endpoint(f"GET {place}", f"all {page.title.lower()}"), _endpoint(f"POST {actions}", meaning)])
