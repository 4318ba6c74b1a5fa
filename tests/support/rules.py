"""Rules as a table: which values a field takes, and which it refuses in which words."""

from collections.abc import Iterable
from typing import Any

import attrs
import pytest

from vipps_async.errors import InvalidRequest

NOT_WHOLE: list[Any] = [1.5, 1.0, True, "1"]


@attrs.frozen
class Rule:
    """One field's rule.

    Attributes:
        model: the request model.
        field: its field.
        text: what a refusal says.
        takes: values that are taken, those at the rule's edge among them.
        refuses: values that are refused.
        is_secret: whether a refusal keeps the value to itself.
    """

    model: type
    field: str
    text: str
    takes: list[Any]
    refuses: list[Any]
    is_secret: bool = False

    def __str__(self) -> str:
        return f"{self.model.__name__}.{self.field}"


def text_of(length: str) -> str:
    """What a refusal says of a text that is not *length*, such as ``"3 to 100 characters"``."""
    return f"must be text of {length}, none of them a control character"


def taken(rules: Iterable[Rule]) -> pytest.MarkDecorator:
    """Parametrize over each value that some rule takes."""
    cases = [
        pytest.param(rule, value, id=f"{rule}-{index}") for rule in rules for index, value in enumerate(rule.takes)
    ]
    return pytest.mark.parametrize(("rule", "value"), cases)


def refused(rules: Iterable[Rule]) -> pytest.MarkDecorator:
    """Parametrize over each value that some rule refuses."""
    cases = [
        pytest.param(rule, value, id=f"{rule}-{index}") for rule in rules for index, value in enumerate(rule.refuses)
    ]
    return pytest.mark.parametrize(("rule", "value"), cases)


def assert_refused(rule: Rule, value: Any, others: dict[str, Any]) -> None:
    """Assert that the model refuses *value*, and says which field broke which rule."""
    with pytest.raises(InvalidRequest) as refusal:
        rule.model(**{**others, rule.field: value})
    error = refusal.value
    told = "**********" if rule.is_secret else value
    assert (error.field, error.value, error.rule) == (rule.field, told, rule.text)
    assert str(error).startswith(f"{rule.field}=")
    assert str(error).endswith(f" was refused before sending: {rule.text}")
