"""Workflows that ended long ago are archived, and deleted only then: whoever else acts, and whatever fails."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from receiver.clients.archive import ArchiveBucket
from receiver.clients.kubernetes import asking
from receiver.model.archive import canonical, unpacked
from receiver.model.cleanup import Fate, Kind, Reason
from receiver.model.errors import CleanupBusy, ClusterBusy
from receiver.sandbox.kubernetes.kind import WORKFLOW
from receiver.store import archives, cleanups
from receiver.store.archives import Wanted
from receiver.store.database import Database
from receiver.store.turns import Turn, alone
from receiver.upkeep.leaving import Rules
from receiver.upkeep.remnants import Remnants

from .cleaning import NOW, WHERE, Bucket, Yard, yard as opened


@pytest.fixture
async def yard(database: Database) -> AsyncIterator[Yard]:
    async with opened(database, Bucket()) as made:
        yield made


async def test_what_ended_long_ago_goes_the_oldest_first_as_long_as_the_budget_lasts(yard: Yard) -> None:
    kept = {name: canonical(yard.ended(name, days=days)) for name, days in (("b", 9), ("a", 8), ("c", 30))}
    yard.ended("young", days=6)
    yard.ended("running", days=40, phase="Running")

    first = await yard.clean(budget=2)
    gone = yard.told()
    second = await yard.clean(budget=2)

    assert gone == [("c", "deleted"), ("b", "deleted")]
    assert yard.told() == [("a", "deleted")]
    assert yard.names() == ["running", "young"]
    assert sorted(unpacked(body) for body in yard.bucket.objects.values()) == sorted(kept.values())
    assert (first.due, first.archived, first.deleted, first.spent) == (3, 2, 2, True)
    assert (second.due, second.deleted, second.spent, second.trouble) == (1, 1, False, "")
    async with yard.database.transaction() as tx:
        assert await cleanups.latest(tx, limit=5) == [second, first]
        page = await archives.page(tx, Wanted(), limit=5)
    assert {one.archived_by for one in page.items} == {"cleanup 1 (ann)", "cleanup 2 (ann)"}


async def test_what_somebody_still_has_a_say_in_is_left_alone_and_named(yard: Yard, records: Any) -> None:
    yard.ended("opted-out", labels={"receiver/remediate": "false"})
    yard.ended("held", finalizers=["example.com/wait"])
    yard.ended("source")
    yard.ended("again", phase="Running", labels={"workflows.argoproj.io/resubmitted-from-workflow": "source"})
    yard.ended("short-lived", spec={"ttlStrategy": {"secondsAfterCompletion": 8 * 86400 + 60}})
    yard.ended("overdue", spec={"ttlStrategy": {"secondsAfterCompletion": 60}})
    healed = yard.ended("healed")
    target = {"kind": "workflow", "namespace": WHERE, "name": "healed", "uid": healed["metadata"]["uid"], "lineage": ""}
    await records.run(target=target)

    run = await yard.clean()

    assert dict(yard.told()) == {
        "opted-out": "opted_out",
        "held": "finalizer",
        "source": "repeated",
        "short-lived": "ttl",
        "overdue": "deleted",
        "healed": "remediated",
    }
    assert yard.names() == ["again", "healed", "held", "opted-out", "short-lived", "source"]
    assert run.skipped == {"opted_out": 1, "finalizer": 1, "repeated": 1, "ttl": 1, "remediated": 1}
    assert (run.archived, run.deleted, len(yard.bucket.objects)) == (2, 1, 2), "what Argo deletes is archived before"


@pytest.mark.parametrize(("act", "reason"), [("change", "changed"), ("replace", "gone"), ("delete", "gone")], ids=str)
async def test_what_another_actor_touches_between_archive_and_deletion_is_left_alone(
    yard: Yard, act: str, reason: str
) -> None:
    first = yard.ended("etl")

    def meddle() -> None:
        yard.bucket.on_get = lambda: None
        if act == "delete":
            yard.api.registry.delete(WORKFLOW, WHERE, "etl", {})
        else:
            getattr(yard, act)("etl")

    yard.bucket.on_get = meddle
    run = await yard.clean()
    there = yard.api.storage.every(WORKFLOW, WHERE)

    assert (yard.told(), run.deleted, run.trouble) == ([("etl", reason)], 0, "")
    assert [one["metadata"]["uid"] == first["metadata"]["uid"] for one in there] == {
        "change": [True], "replace": [False], "delete": [],
    }[act]  # fmt: skip
    assert [unpacked(body) for body in yard.bucket.objects.values()] == [canonical(first)]


async def test_while_the_bucket_is_away_nothing_is_deleted_and_the_next_run_finishes(yard: Yard) -> None:
    for number in range(7):
        yard.ended(f"etl-{number}")
    yard.bucket.away = True

    failed = await yard.clean()
    there = yard.names()
    yard.bucket.away = False
    done = await yard.clean()

    assert len(there) == 7
    assert (failed.failed, failed.deleted) == (5, 0)
    assert failed.trouble == "5 in a row failed and no more was tried; last: the store does not answer"
    assert (done.deleted, done.trouble, yard.names()) == (7, "", [])


async def test_an_object_that_arrived_damaged_lets_nothing_be_deleted(yard: Yard) -> None:
    etl = yard.ended("etl")
    yard.bucket.spoils = True

    failed = await yard.clean()
    there = yard.names()
    yard.bucket.spoils = False
    done = await yard.clean()

    assert (there, failed.failed) == (["etl"], 1)
    assert "came back otherwise" in failed.trouble
    assert (done.deleted, yard.names()) == (1, [])
    assert canonical(etl) in [unpacked(body) for key, body in yard.bucket.objects.items() if "-" in key[-25:]]


async def test_what_could_not_be_brought_back_since_it_would_be_masked_stays_and_is_no_failure(yard: Yard) -> None:
    for number in range(6):
        yard.ended(f"secret-{number}", days=9, annotations={"note": f"key-{number:04}"})
    yard.ended("plain")

    run = await yard.clean(mask=["key-[0-9]{4}"])

    assert yard.names() == [f"secret-{number}" for number in range(6)]
    assert (run.deleted, run.skipped, run.failed, run.trouble) == (1, {"masked": 6}, 0, "")
    assert len(yard.bucket.objects) == 1


async def test_a_store_that_is_killed_between_upload_and_reading_back_lets_nothing_be_deleted(
    database: Database, own_weed: Any
) -> None:
    s3 = own_weed.client(own_weed.new_bucket())
    bucket = ArchiveBucket(s3)

    class Falling(ArchiveBucket):
        async def get(self, key: str) -> bytes:
            own_weed.kill()
            return await super().get(key)

    async with opened(database, Falling(s3)) as yard:
        etl = yard.ended("etl")
        failed = await yard.clean()
        there = yard.names()
        own_weed.start()
        yard.bucket = bucket
        done = await yard.clean()
        [stored] = await s3.listed("workflow-archives/")
        body = await bucket.get(stored.key)
    await s3.close()

    assert (there, failed.failed, failed.deleted) == (["etl"], 1, 0)
    assert "the store does not answer" in failed.trouble
    assert (done.archived, done.deleted, yard.names()) == (1, 1, [])
    assert unpacked(body) == canonical(etl)


async def test_a_list_whose_later_pages_expire_is_begun_again(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_PAGE", 2)
    for number in range(5):
        yard.ended(f"etl-{number}")
    real, compactions = yard.api.storage.snapshot, [1, 1, 1]

    def forgetful(kind: Any, namespace: str, revision: int | None = None) -> Any:
        if revision is not None and compactions:
            compactions.pop()
            yard.api.storage.compact()
        return real(kind, namespace, revision)

    monkeypatch.setattr(yard.api.storage, "snapshot", forgetful)
    with pytest.raises(ClusterBusy, match="continue parameter is too old"):
        await yard.clean()
    run = await yard.clean()

    assert (run.deleted, yard.names(), compactions) == (5, [], [])
    async with yard.database.transaction() as tx:
        [_, cut] = await cleanups.latest(tx, limit=5)
    assert cut.ended_at == NOW
    assert "continue parameter is too old" in cut.trouble


async def test_only_one_run_works_at_a_time(yard: Yard) -> None:
    yard.ended("etl")

    async with alone(yard.database, Turn.CLEANUP) as ours:
        with pytest.raises(CleanupBusy):
            await yard.clean()

    async with yard.database.transaction() as tx:
        runs = await cleanups.latest(tx, limit=5)
    assert ours
    assert (yard.names(), runs) == (["etl"], [])


async def test_a_survey_touches_nothing(yard: Yard) -> None:
    yard.ended("etl")
    yard.ended("held", finalizers=["example.com/wait"])

    moves = await yard.cleanup().survey()

    assert [(move.name, move.fate) for move in moves] == [("etl", Fate.DUE), ("held", Fate.SKIPPED)]
    assert all(request.method == "GET" for request in yard.api.faults.requests)
    assert yard.bucket.objects == {}
    async with yard.database.transaction() as tx:
        assert await cleanups.latest(tx, limit=5) == []


async def test_pods_and_claims_of_workflows_that_are_gone_go_only_when_somebody_asked_for_it(yard: Yard) -> None:
    gone, there = yard.ended("gone"), yard.ended("there", days=1)
    yard.api.registry.delete(WORKFLOW, WHERE, "gone", {})
    yard.claim("lost", gone)
    yard.claim("young", gone, days=1)
    yard.claim("in-use", gone)
    yard.claim("kept", there)
    yard.claim("nobodys")
    yard.pod("ended", gone)
    yard.pod("busy", gone, phase="Running", claim="in-use")

    await yard.clean()
    without = (yard.told(), yard.claims())
    await yard.clean(Kind.CLAIM)
    claims = (sorted(yard.told()), yard.claims())
    await yard.clean(Kind.POD)

    assert without == ([], ["in-use", "kept", "lost", "nobodys", "young"])
    assert claims == ([("in-use", "in_use"), ("lost", "deleted")], ["in-use", "kept", "nobodys", "young"])
    assert sorted(yard.told()) == [("busy", "running"), ("ended", "deleted")]


async def test_a_claim_whose_workflow_is_there_after_all_is_left_alone(yard: Yard) -> None:
    gone = yard.ended("gone", days=1)
    yard.api.registry.delete(WORKFLOW, WHERE, "gone", {})
    yard.claim("lost", gone)
    remnants = Remnants(yard.cluster, Rules(older_than=timedelta(days=7)), [Kind.CLAIM], lambda: NOW)
    [due] = await remnants.survey([WHERE])

    yard.api.adopt(gone)
    late = await remnants.take(due)

    assert late.reason is Reason.OTHER_OWNER
    assert await remnants.survey([WHERE]) == []
    assert yard.claims() == ["lost"]
