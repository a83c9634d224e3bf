"""What is masked in an archive, what is not, and which patterns are refused."""

from typing import Any

import pytest

from receiver.model.errors import SettingsError
from receiver.model.redaction import MARK, Redaction

WORKFLOW: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "metadata": {"name": "key-12345678", "uid": "key-12345678", "labels": {"of": "key-12345678"}, "annotations": None},
    "spec": {"arguments": {"parameters": [{"name": "a", "value": "is key-12345678!"}, {"name": "n", "value": 7}]}},
    "status": {"phase": "key-12345678", "nodes": {"n": {"message": "key-87654321 and key-12345678"}}},
}


def test_what_a_pattern_matches_is_masked_in_every_text_and_counted_and_what_identifies_stays() -> None:
    masked = Redaction(["key-[0-9]{8}", "is "]).of(WORKFLOW)

    assert masked == {
        "apiVersion": "argoproj.io/v1alpha1",
        "metadata": {
            "name": "key-12345678",
            "uid": "key-12345678",
            "labels": {"of": "***"},
            "annotations": {MARK: "3"},
        },
        "spec": {"arguments": {"parameters": [{"name": "a", "value": "******!"}, {"name": "n", "value": 7}]}},
        "status": {"phase": "key-12345678", "nodes": {"n": {"message": "*** and ***"}}},
    }


def test_where_nothing_is_masked_the_workflow_is_whole() -> None:
    assert Redaction(["nowhere"]).of(WORKFLOW) is None
    assert not Redaction()


@pytest.mark.parametrize(
    "pattern",
    ["AKIA[A-Z0-9]{16}", r"tok_\w{8,64}", "(?:a|b)[*+]c?", r"x\+\*", r"-{5}BEGIN [A-Z ]{0,30}KEY-{5}", "(?i)pw"],
)
def test_a_pattern_whose_work_is_bounded_is_taken(pattern: str) -> None:
    assert Redaction([pattern])


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "not a regular expression"),
        ("a+", "upper bound"),
        ("a*", "upper bound"),
        ("a{3,}", "upper bound"),
        ("(ab){2}", "repeats a group"),
        ("(a{1,9})+", "repeats a group"),
        (r"(a)\1", "refers back"),
        (r"(?P<x>a)(?P=x)", "refers back"),
        ("[a-z]{1,100}[a-z]{1,100}x", "10000 ways"),
        ("|".join("abcdefghijklmn"), "8192 ways"),
    ],
)
def test_a_pattern_that_could_take_very_long_is_refused_with_its_reason(pattern: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        Redaction([pattern])
