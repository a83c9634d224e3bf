import gzip
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, strategies as st

from receiver.model import archive
from receiver.model.archive import Archived, NotAnArchive, canonical, fault, key_of, of_object, packed, read, unpacked

AT = datetime(2026, 11, 24, 3, 22, 31, 673412, UTC)
WORKFLOW: dict[str, Any] = {"metadata": {"uid": "u", "name": "etl"}, "spec": {"n": 1, "text": "ü\x00\ud800"}}
CONTENT = canonical(WORKFLOW)
ARCHIVED = Archived(
    namespace="argo",
    name="etl",
    uid="u",
    content=hashlib.sha256(CONTENT).hexdigest(),
    labels={},
    phase="Succeeded",
    started_at=None,
    finished_at=AT,
    archived_at=AT,
    archived_by="ann",
    bucket="b",
    key="k",
    size=1,
    sha256="0",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_a_workflow_comes_back_as_it_was_and_is_always_the_same_bytes(parts: dict[str, Any]) -> None:
    workflow = {**parts, "metadata": {"uid": "u"}}
    turned = dict(reversed(workflow.items()))

    body = packed(canonical(workflow))

    assert read(unpacked(body)) == workflow
    assert packed(canonical(turned)) == body
    assert canonical(read(unpacked(body))) == canonical(workflow)


def test_the_key_is_that_of_the_end_in_utc() -> None:
    assert key_of("workflow-archives", "argo", "etl", AT) == "workflow-archives/argo/etl/20261124_032231.json.gz"
    assert key_of("p", "argo", "etl", AT, content="ab" * 32) == "p/argo/etl/20261124_032231-abababababab.json.gz"


def test_an_object_is_whole_only_if_it_is_that_state_of_that_workflow() -> None:
    body = packed(CONTENT)

    assert fault(ARCHIVED, body) == ""
    assert fault(ARCHIVED, gzip.compress(CONTENT, compresslevel=1)) == "", "how it is compressed does not matter"
    assert "another state" in fault(ARCHIVED, packed(canonical({**WORKFLOW, "status": {}})))
    assert "cut off" in fault(ARCHIVED, body[:-9])
    assert "something follows" in fault(ARCHIVED, body + b"x")
    assert "damaged" in fault(ARCHIVED, b"x" + body)
    assert "not JSON" in fault(ARCHIVED, packed(b"{"))
    assert "no workflow" in fault(ARCHIVED, packed(json.dumps({"metadata": 1}).encode()))
    assert "it is workflow u" in fault(replace(ARCHIVED, uid="v"), body)


def test_what_unpacks_to_more_than_any_workflow_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 1000)

    with pytest.raises(NotAnArchive, match="more than 1000 bytes"):
        unpacked(gzip.compress(b"0" * 1_000_000))
    with pytest.raises(NotAnArchive, match="more than is archived"):
        canonical({"x": "0" * 1000})


def test_what_is_nested_too_deeply_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"x": deep}

    with pytest.raises(NotAnArchive, match="deeply"):
        canonical(deep)


def test_an_object_says_all_that_the_index_knows_of_it() -> None:
    body = packed(CONTENT)
    kept = replace(
        ARCHIVED,
        started_at=AT,
        archived_by="Jürgen (Büro)",
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
    )
    frozen = replace(kept, labels={"team": "a"})

    assert of_object("b", "k", len(body), kept.metadata, body) == kept
    assert of_object("b", "k", len(body), frozen.metadata, None) == frozen, "one that cannot be read is believed"


def test_metadata_fits_what_s3_allows() -> None:
    longest = replace(
        ARCHIVED,
        namespace="n" * 63,
        name="w" * 253,
        uid="u" * 36,
        content="c" * 64,
        sha256="s" * 64,
        started_at=AT,
        archived_by="ü" * 1000,
        labels={"l" * 317: "v" * 63},
    )

    for labels in (longest.labels, {f"{number}": "v" * 63 for number in range(40)}):
        said = replace(longest, labels=labels).metadata
        assert sum(len(name) + len(value) for name, value in said.items()) <= 2048
        assert all(value.isascii() for value in said.values())


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"workflow-uid": "another"}, "it is workflow u"),
        ({"content-sha256": "0" * 64}, "another state"),
        ({"archived-at": "2026-11-24"}, "does not say of itself"),
        ({"labels": "[1"}, "does not say of itself"),
        ({"labels": "[]"}, "does not say of itself"),
    ],
)
def test_an_object_that_says_something_wrong_of_itself_is_not_taken(changed: dict[str, str], reason: str) -> None:
    with pytest.raises(NotAnArchive, match=reason):
        of_object("b", "k", 1, ARCHIVED.metadata | changed, packed(CONTENT))


def test_an_object_that_says_nothing_of_itself_is_not_taken() -> None:
    with pytest.raises(NotAnArchive, match="does not say of itself"):
        of_object("b", "k", 1, {}, packed(CONTENT))
