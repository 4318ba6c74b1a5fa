"""The ePayment API as one value."""

from functools import partial

import attrs

from vipps_async.sandbox._epayment.dialects import CURRENT, DRAFT
from vipps_async.sandbox._epayment.errors import ERRORS
from vipps_async.sandbox._epayment.lifecycle import EVENT_TYPES
from vipps_async.sandbox._epayment.operations import EPaymentApi
from vipps_async.sandbox._epayment.permissions import Permission
from vipps_async.sandbox._epayment.routes import DRAFT_ROUTES, ROUTES
from vipps_async.sandbox._epayment.sample_events import sample_event
from vipps_async.sandbox._platform.api import ApiDefinition

_CURRENT = ApiDefinition(
    name="epayment",
    prefix="/epayment",
    routes=ROUTES,
    open=partial(EPaymentApi, dialect=CURRENT),
    errors=ERRORS,
    status_errors={423: "6160", 500: "3010"},
    event_types=EVENT_TYPES,
    permissions=tuple(Permission),
    sample=partial(sample_event, CURRENT),
)

EPAYMENT = attrs.evolve(
    _CURRENT,
    draft=attrs.evolve(
        _CURRENT,
        routes=DRAFT_ROUTES,
        open=partial(EPaymentApi, dialect=DRAFT),
        sample=partial(sample_event, DRAFT),
    ),
)
