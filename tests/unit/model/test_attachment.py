"""What may lie beside an archived workflow, and how it is told from the workflow."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from receiver.model.archive import Archived, NotAnArchive, packed
from receiver.model.attachment import Part, in_turn, is_key, key_of, made, seen
from receiver.model.workflow import Container, Pod

AT = datetime(2026, 11, 24, 3, 22, 31, tzinfo=UTC)
ETL = Archived(
    namespace="argo",
    name="etl",
    uid="u",
    content="c",
    labels={},
    phase="Succeeded",
    started_at=None,
    finished_at=AT,
    archived_at=AT,
    archived_by="ann",
    bucket="b",
    key="p/argo/etl/20261124_032231.json.gz",
    size=1,
    sha256="s",
)


@pytest.mark.parametrize(
    "key",
    [
        "p/argo/etl/20261124_032231.json.gz",
        "p/argo/etl/20261124_032231-0123456789ab.json.gz",
        "p/argo/etl/20261124_032231.masked.json.gz",
    ],
)
def test_the_key_follows_from_that_of_the_workflow_and_is_none_of_a_workflow(key: str) -> None:
    beside = [key_of(replace(ETL, key=key), part) for part in Part]

    assert beside == [key.replace(".json.gz", ".logs.json.gz"), key.replace(".json.gz", ".events.json.gz")]
    assert [is_key(one, "p") for one in [key, *beside]] == [False, True, True]


def test_what_was_made_is_seen_to_be_that_and_nothing_else() -> None:
    attachment, body = made(ETL, Part.LOGS, {"pods": []})

    assert seen(ETL, Part.LOGS, body) == attachment
    for archived, part in [
        (replace(ETL, content="d"), Part.LOGS),
        (replace(ETL, uid="v"), Part.LOGS),
        (ETL, Part.EVENTS),
    ]:
        with pytest.raises(NotAnArchive, match="of this state of workflow"):
            seen(archived, part, body)
    for wrong in [b"", body[:-1], packed(b"[]"), packed(b"x")]:
        with pytest.raises(NotAnArchive):
            seen(ETL, Part.LOGS, wrong)


def test_the_containers_of_the_step_come_before_those_of_argo() -> None:
    pod = Pod(
        namespace="argo",
        name="etl-1",
        uid="p",
        containers=tuple(Container(name=name) for name in ("init", "wait", "side", "main")),
    )

    assert in_turn(pod) == ["main", "side", "init", "wait"]
