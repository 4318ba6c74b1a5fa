"""What is shared by all APIs names none of them: no type, operation, code or path of one, in no name and no text."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import vipps_async

PACKAGE = Path(vipps_async.__file__).parent
SHARED = (
    "_events.py",
    "_drivers.py",
    "_http",
    "_loops",
    "_wire",
    "webhooks",
    *(f"sandbox/{name}" for name in ("_platform", "_faults", "_webhooks", "_web", "_pages")),
)
# Where the families of events are listed, and the Webhooks API itself.
ALLOWED = ("webhooks/_events.py", "webhooks/registration", "sandbox/_webhooks/api.py")

NOUNS = re.compile(
    r"epayment|recurring|userinfo|login|checked.?in(?!box)|donation"
    r"|payment|refund|(?<!re)charge|agreement|(?<![a-z])captures?(?![a-z])|force.?approv|authori[sz]ation.?type"
    r"|/v[0-9]+/",
    re.IGNORECASE,
)
ERROR_CODE = re.compile(
    r"(?<![0-9])(?:3010|40[1-9]0|41[0-6]0|50[1-9]0|5100|60[1-9]0|61[1-9]0|62[0-8]0|7010|100[1-7]0)(?![0-9])"
)


def modules() -> Iterator[Path]:
    """Yield the modules that every API shares."""
    for name in SHARED:
        place = PACKAGE / name
        found = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        for path in found:
            if not path.relative_to(PACKAGE).as_posix().startswith(ALLOWED):
                yield path


def said(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield each name and each text of a module, with its line; not its docstrings, which may give examples."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str() as text) if id(node) not in docstrings:
                yield node.lineno, text
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(name=name):
                yield node.lineno, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.ImportFrom(module=str() as name) | ast.keyword(arg=str() as name):
                yield node.lineno, name


@pytest.mark.parametrize("path", [*modules()], ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_what_all_apis_share_names_none(path: Path) -> None:
    """Whoever adds an API works in its folders, and finds nothing to change here."""
    tree = ast.parse(path.read_text("utf-8"))
    found = {f"line {line}: {text!r}" for line, text in said(tree) if NOUNS.search(text) or ERROR_CODE.search(text)}
    assert not found


@pytest.mark.parametrize("path", [*(PACKAGE / "sandbox/_pages/static").iterdir()], ids=lambda path: path.name)
def test_what_a_browser_gets_of_all_apis_names_none(path: Path) -> None:
    """Each API's page brings its own part."""
    text = path.read_text("utf-8")
    assert not [*NOUNS.finditer(text), *ERROR_CODE.finditer(text)]


def test_the_nouns_are_found() -> None:
    """The search finds what it is for: in names, in texts and in imports."""
    module = "from a.epayment import b\ndef capture(): return '/recurring/v3'\nx = 'code 6260'\nrefunded = 1\n"
    lines = {line for line, text in said(ast.parse(module)) if NOUNS.search(text) or ERROR_CODE.search(text)}
    assert lines == {1, 2, 3, 4}
