"""What a bucket of archives ought to be, and the lifecycle rule of ours beside those of other people. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any, Final

RULE_ID: Final = "WorkflowArchiveLifecycle"
"""Name of the one rule that is ours; every other one is left as it is."""

TRANSITIONS: Final = (
    (timedelta(days=30), "STANDARD_IA"),
    (timedelta(days=90), "GLACIER"),
    (timedelta(days=365), "DEEP_ARCHIVE"),
)
"""At which age an archive goes where it costs less to keep and more to read."""

EXPIRY: Final = timedelta(days=2555)
"""Age at which an archive is deleted: seven years."""

CUT_UPLOADS: Final = timedelta(days=1)
"""Age at which the parts of an upload that was never completed are deleted."""

SMALLEST: Final = "varies_by_storage_class"
"""S3 moves no object under 128 KB to another class unless it is told so, and hardly an archive is as large;
https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html."""

Rule = dict[str, Any]


class Thing(Enum):
    """One part of a bucket."""

    BUCKET = "bucket"
    PUBLIC_ACCESS = "public access"
    ENCRYPTION = "encryption"
    LIFECYCLE = "lifecycle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a part of a bucket is, and how it ought to be.

    Attributes:
        now: In words, or as JSON.
        then: The same; equal to `now` where there is nothing to do.
        offered: False where the store does not know such a thing, so that nothing can be done.
    """

    thing: Thing
    now: str
    then: str
    offered: bool = True

    @property
    def due(self) -> bool:
        """Whether there is something to do."""
        return self.offered and self.now != self.then


def rule(prefix: str) -> Rule:
    """Give our rule, for the objects below a prefix, as S3 has it."""
    return {
        "ID": RULE_ID,
        "Status": "Enabled",
        "Filter": {"Prefix": f"{prefix}/"},
        "Transitions": [{"Days": age.days, "StorageClass": name} for age, name in TRANSITIONS],
        "Expiration": {"Days": EXPIRY.days},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": CUT_UPLOADS.days},
    }


def merged(rules: Sequence[Mapping[str, Any]], prefix: str) -> list[Rule]:
    """Put our rule among those of a bucket: in place of an older one of ours, else behind all others."""
    ours = rule(prefix)
    found = [ours if one.get("ID") == RULE_ID else dict(one) for one in rules]
    return found if ours in found else [*found, ours]


def said(rules: Sequence[Mapping[str, Any]], smallest: str) -> str:
    """Write the rules of a bucket for people and for comparison, with what is said of small objects."""
    return json.dumps({"Rules": list(rules), "TransitionDefaultMinimumObjectSize": smallest}, sort_keys=True, indent=2)
