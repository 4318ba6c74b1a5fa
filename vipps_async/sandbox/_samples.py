"""Bodies of events that did not happen, of every API, by short names and by types. Performs no I/O."""

from collections.abc import Mapping
from types import MappingProxyType

from vipps_async.errors import ConfigurationError, shorten
from vipps_async.sandbox._platform.api import ApiDefinition, SampleFacts
from vipps_async.sandbox._state import APIS

# What there is, by the event's short name or its type, each with the API that makes it and the name that it knows.
_EVENTS: Mapping[str, tuple[ApiDefinition, str]] = MappingProxyType(
    {
        text: (api, name)
        for api in APIS
        for name, event_type in api.event_types.items()
        if event_type
        for text in (name, event_type)
    }
)
SAMPLE_EVENTS = tuple(_EVENTS)


def sample_event(event: str, facts: SampleFacts, *, dialect: str = "current") -> bytes:
    """Return the body that a sandbox would deliver for an event.

    Args:
        event: a short name of a payment's, such as ``"AUTHORIZED"``, or an event type of any API.
        facts: what the event is to say.
        dialect: ``"current"``, or ``"draft"``, which payments alone have.

    Raises:
        ConfigurationError: no event is called so, or it has neither the draft's form nor one that tells of a failure.
    """
    if event not in _EVENTS:
        raise ConfigurationError(f"event={shorten(event)} must be one of {', '.join(SAMPLE_EVENTS)}")
    api, name = _EVENTS[event]
    if api.draft is None and not (facts.success and dialect == "current"):
        raise ConfigurationError(f"a failure and the draft are for events of payments, not for {event}")
    version = (dialect == "draft" and api.draft) or api
    if version.sample is None:
        raise ConfigurationError(f"there is no sample of {event}")
    return version.sample(name, facts)
