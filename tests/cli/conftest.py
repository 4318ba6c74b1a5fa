"""What all commands are tested with."""

import pytest


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment of this run says does not count."""
    monkeypatch.delenv("VIPPS_WEBHOOK_URL", raising=False)
    monkeypatch.delenv("VIPPS_WEBHOOK_SECRET", raising=False)
