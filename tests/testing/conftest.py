"""The plugin's fixtures as the package has them; that they are registered is for the wheel's test to show."""

import pytest

from vipps_async.testing import vipps_client, vipps_event, vipps_sandbox, vipps_sandbox_session

__all__ = ["vipps_client", "vipps_event", "vipps_sandbox", "vipps_sandbox_session"]


@pytest.fixture(autouse=True)
def guarded_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every event loop refuse to be used from another thread."""
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
