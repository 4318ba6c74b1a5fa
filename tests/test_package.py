"""The package as a whole: its public names, and that every module imports alone."""

import os
import pkgutil
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

import vipps_async
from vipps_async import epayment, sandbox, token_cache, webhooks

# Found at its first use, and so nothing that type checkers know.
PUBLIC = import_module("vipps_async").__all__
MODULES = sorted(module.name for module in pkgutil.walk_packages(vipps_async.__path__, "vipps_async."))


def test_public_names_are_pinned() -> None:
    """The names at the top level are a contract: adding or losing one is a decision."""
    assert sorted(PUBLIC) == [
        "Address",
        "Adjustment",
        "Aggregate",
        "AirlineData",
        "Amount",
        "ApiError",
        "AuthorisationType",
        "BadRequest",
        "Barcode",
        "BarcodeFormat",
        "BlockedSource",
        "BottomLine",
        "CallError",
        "ClaimHeld",
        "ClientClosed",
        "ConfigurationError",
        "Conflict",
        "ConnectionFailed",
        "CreatedPayment",
        "Credentials",
        "Customer",
        "CustomerInteraction",
        "DeadlineExceeded",
        "DeliveryError",
        "DynamicOptions",
        "EPayment",
        "Environment",
        "Forbidden",
        "HandlerTimeout",
        "IndustryData",
        "InvalidReply",
        "InvalidRequest",
        "Locked",
        "MerchantLegalLinks",
        "NotAnEvent",
        "NotAuthentic",
        "NotFound",
        "NotInReply",
        "OrderLine",
        "OutcomeUnknown",
        "Payment",
        "PaymentEvent",
        "PaymentEventName",
        "PaymentMethod",
        "PaymentMethodType",
        "PaymentMethodUsed",
        "PaymentSources",
        "PaymentState",
        "Problem",
        "Profile",
        "QrFormat",
        "QrImageFormat",
        "QuantityUnit",
        "RateLimited",
        "Receipt",
        "RetryPolicy",
        "ServerError",
        "Shipping",
        "ShippingBrand",
        "ShippingDetails",
        "ShippingGroup",
        "ShippingInfo",
        "ShippingOption",
        "ShippingType",
        "SystemInfo",
        "Unauthorized",
        "UnitInfo",
        "UserDetails",
        "UserFlow",
        "VippsClient",
        "VippsError",
        "WaitTimeout",
        "WrongEventLoop",
        "__version__",
    ]


@pytest.mark.parametrize(
    "module", [vipps_async, epayment, webhooks, token_cache, sandbox], ids=lambda module: module.__name__
)
def test_public_names_exist(module: object) -> None:
    """Every name that a package announces is there."""
    for name in module.__all__:  # type: ignore[attr-defined]  # every one of them has it
        assert hasattr(module, name)


def test_version_is_the_installed_one() -> None:
    """The version in the code is the version that was installed."""
    assert vipps_async.__version__ == version("vipps-async")


# What a package imports itself comes before any of its modules, so that only the others have to be forgotten.
IMPORT_EACH_ALONE = """
import importlib, itertools, sys

def forget_all_but(kept):
    for loaded in [module for module in sys.modules if module.partition(".")[0] == "vipps_async"]:
        if loaded not in kept:
            del sys.modules[loaded]

for package, names in itertools.groupby(sys.argv[1:], lambda name: name.rpartition(".")[0]):
    forget_all_but(())
    importlib.import_module(package)
    always = set(sys.modules)
    for name in names:
        forget_all_but(always)
        importlib.import_module(name)
"""


def test_every_module_imports_alone() -> None:
    """Each module can be the first of the package that a process imports."""
    names = [name for name in sorted(MODULES, key=lambda name: name.rpartition(".")) if not name.endswith("__main__")]
    assert len(names) > 30
    run = subprocess.run([sys.executable, "-W", "error", "-c", IMPORT_EACH_ALONE, *names], check=False)
    assert run.returncode == 0


def test_importing_the_client_does_not_load_servers() -> None:
    """Who only calls the APIs does not pay for importing aiohttp's server, the sandbox or an extra's library."""
    unwanted = ("aiohttp.web", "vipps_async.sandbox", "redis", "cryptography")
    program = f"import sys; from vipps_async import *; sys.exit(any(name in sys.modules for name in {unwanted}))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_importing_the_client_does_not_load_what_receives() -> None:
    """Who only calls and registers webhooks does not pay for importing the receiver; its name is there all the same."""
    program = (
        "import sys; from vipps_async import VippsClient; had = 'vipps_async.webhooks._receiver' in sys.modules; "
        "from vipps_async.webhooks import WebhookReceiver; sys.exit(had)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_importing_the_receiver_does_not_load_what_calls() -> None:
    """Who only receives events, in whatever web framework, does not pay for importing what calls."""
    unwanted = ("aiohttp", "backoff", "vipps_async._http", "vipps_async.epayment._request")
    program = (
        "import sys; from vipps_async.webhooks import WebhookReceiver; from vipps_async import PaymentEventName; "
        f"sys.exit(any(name in sys.modules for name in {unwanted}))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_importing_the_pytest_plugin_loads_nothing_else() -> None:
    """Every run of pytest imports the plugin where the package is installed; projects that do not use it do not pay."""
    program = "import sys, pytest; had = set(sys.modules); import vipps_async.testing; print(*set(sys.modules) - had)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) == {
        "vipps_async",
        "vipps_async._lazy",
        "vipps_async.testing",
    }


def test_a_name_that_does_not_exist_is_no_attribute() -> None:
    """Names are imported at their first use, and a name that is none of the package's is refused as usual."""
    with pytest.raises(ImportError, match="cannot import name 'Payement'"):
        from vipps_async import Payement  # type: ignore[attr-defined]  # noqa: F401, PLC0415 - that it fails is the claim
    assert set(PUBLIC) <= set(dir(vipps_async))


SHOW_ALL_HELP = """
import pydoc, sys

for name in sys.argv[1:]:
    print(pydoc.render_doc(name, renderer=pydoc.plaintext))
"""


def test_no_signature_shows_the_machine(tmp_path: Path) -> None:
    """What help() and generated documentation show, defaults among it, is the same on every machine."""
    names = [name for name in MODULES if not name.endswith("__main__")]
    machine = {
        "VIPPS_CLIENT_SECRET": "known-secret",
        "VIPPS_EVENT_STORE": "postgresql://known-secret@db",
        "HOME": "/known/home",
    }
    run = subprocess.run(
        [sys.executable, "-c", SHOW_ALL_HELP, *names],
        capture_output=True, text=True, check=True, cwd=tmp_path, env={**os.environ, **machine},
    )  # fmt: skip
    assert "from_env(environ: " in run.stdout
    assert [
        known for known in (*machine.values(), str(tmp_path), sys.executable, "environ({") if known in run.stdout
    ] == []
