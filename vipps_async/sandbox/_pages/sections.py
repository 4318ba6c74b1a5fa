"""The dashboard's part for each API: where its things appear, what a card of one is, and what it serves.

Performs no I/O.
"""

from collections.abc import Iterable, Iterator

from vipps_async.sandbox._faults.faults import DeliveryFault, Fault
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


def options(values: Iterable[str]) -> Markup:
    """Return *values* to choose from."""
    return joined(element("option", value) for value in values)


def delivery_faults() -> Markup:
    """Return the faults of a delivery to choose from, or none."""
    return joined([element("option", "no fault", value=""), *map(_fault, DeliveryFault)])


def every_fault() -> Markup:
    """Return the faults of requests, and those of deliveries, to choose from."""
    return joined(
        [
            element("optgroup", *map(_fault, Fault), label="Requests"),
            element("optgroup", *map(_fault, DeliveryFault), label="Deliveries", data_deliveries=True),
        ]
    )


def endpoints(routes: Iterable[Route], pages: Iterable[ApiPage]) -> Markup:
    """Return the list of what is served: each operation with its name, and the control surface's part for each page."""
    operations = (_endpoint(f"{route.method} {route.path}", element("code", route.operation)) for route in routes)
    return joined([*operations, *(_controls(page) for page in pages)])


def _fault(fault: Fault | DeliveryFault) -> Markup:
    return element("option", f"{fault.spelling}: {fault.meaning}", value=fault.value)


def _section(page: ApiPage) -> Markup:
    name = page.collection
    title = element("h2", page.title, id=f"{name}-title")
    return element(
        "section",
        element("div", title, element("span", id=f"{name}-count", class_="soft"), class_="title"),
        element("ol", id=name, class_="rows", role="list"),
        element("p", page.empty, class_="empty", id=f"{name}-empty"),
        element("button", f"Show more of {page.title.lower()}", type="button", class_="more", hidden=True),
        id=f"{name}-part",
        aria_labelledby=f"{name}-title",
        data_list=name,
    )


def _card(page: ApiPage) -> Markup:
    summary = [
        element("h3", data_slot="reference"),
        element("span", class_="state", data_slot="state"),
        element("strong", class_="figures", data_slot="figure"),
        element("span", class_="soft figures", data_slot="note"),
    ]
    only = element("button", "Show this one only", type="button", class_="plain", data_filter=True)
    return element(
        "li",
        element(
            "details",
            element("summary", *summary),
            element("p", class_="soft", data_slot="log"),
            element("ol", class_="log"),
            element("p", element("a", "Landing page"), only, class_="links"),
        ),
        element("div", *_buttons(page), element("select", delivery_faults()), class_="actions"),
        element("p", class_="refusal", role="alert", data_slot="refusal"),
        class_="row",
        data_collection=page.collection,
    )


def _buttons(page: ApiPage) -> Iterator[Markup]:
    for number, action in enumerate(page.actions):
        kind = "" if number else "primary"
        yield element("button", action.replace("-", " ").capitalize(), type="button", class_=kind, data_act=action)


def _endpoint(request: str, meaning: Child) -> Markup:
    return joined([element("dt", element("code", request)), element("dd", meaning)])


def _controls(page: ApiPage) -> Markup:
    place = f"/sandbox/{page.collection}"
    actions = f"{place}/{{reference}}/{{{'|'.join(page.actions)}}}"
    meaning = f'act as the user, or as time does; {{"fault": …}} is injected into its delivery, {page.details}'
    return joined([_endpoint(f"GET {place}", f"all {page.title.lower()}"), _endpoint(f"POST {actions}", meaning)])
