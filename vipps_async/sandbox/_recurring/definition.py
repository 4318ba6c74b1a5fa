"""The Recurring API as one value."""

import re

from vipps_async.sandbox._platform.api import ApiDefinition
from vipps_async.sandbox._platform.auth import KeyRule
from vipps_async.sandbox._recurring.errors import ERRORS, worded
from vipps_async.sandbox._recurring.lifecycle import EVENT_TYPES
from vipps_async.sandbox._recurring.operations import RecurringApi
from vipps_async.sandbox._recurring.permissions import RecurringPermission
from vipps_async.sandbox._recurring.routes import ROUTES
from vipps_async.sandbox._recurring.sample_events import sample_event

RECURRING = ApiDefinition(
    name="recurring",
    prefix="/recurring",
    routes=ROUTES,
    open=RecurringApi,
    errors=ERRORS,
    event_types={event_type: event_type for event_type in EVENT_TYPES},
    sample=sample_event,
    # A colon was refused in production, and these are by the guide.
    keys=KeyRule(
        longest=40,
        alphabet=re.compile(r"[^#?/\\:\x00-\x20\x7f-\U0010ffff]+"),
        characters="characters, none of them # ? / \\ or :",
    ),
    permissions=tuple(RecurringPermission),
    word=worded,
)
