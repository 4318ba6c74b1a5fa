"""The Access Token API, by which every other API is reached. Performs no I/O. Source: Access Token API."""

from vipps_async.sandbox._platform.api import ApiDefinition, Stateless
from vipps_async.sandbox._platform.replies import HttpReply, of_json
from vipps_async.sandbox._platform.routes import ApiRequest, Route


def _issue(api: Stateless, request: ApiRequest) -> HttpReply:
    return of_json(200, api.platform.tokens.issue(now=request.now))


TOKENS = ApiDefinition(
    name="accesstoken",
    routes=tuple(
        Route(
            "accesstoken.issue-token",
            "POST",
            path,
            handle=_issue,
            msn_required=False,
            for_client=True,
            answers_secret=True,
        )
        for path in ("/accesstoken/get", "/accessToken/get")
    ),
)
