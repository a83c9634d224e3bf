"""`receiver history` as a process, on a real Postgres and a real S3 store."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

MARCH = datetime(2025, 3, 1, tzinfo=UTC)
Receiver = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def receiver(database_url: str, weed: Any, tmp_path: Path) -> Receiver:
    """The command with a configuration; `archive` and `retention` may be given by a test."""

    def call(*words: str, **given: Any) -> "subprocess.CompletedProcess[str]":
        archive = {"bucket": weed.bucket, "region": "us-west-2", "endpoint_url": weed.url}
        settings = {"data_dir": str(tmp_path), "database": {"url": database_url}, "archive": archive, **given}
        (tmp_path / "receiver.yaml").write_text(json.dumps(settings))
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "AWS_ACCESS_KEY_ID": weed.access_key,
            "AWS_SECRET_ACCESS_KEY": weed.secret_key,
            "COLUMNS": "200",
        }
        command = [sys.executable, "-m", "receiver", "history", *words, "--config", str(tmp_path / "receiver.yaml")]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=100)

    weed.bucket = weed.new_bucket()
    return call


async def test_history_goes_to_s3_and_then_out_of_postgres(receiver: Receiver, records: Any) -> None:
    await records.alert(starts_at=MARCH, last_seen_at=MARCH, status="resolved", ends_at=MARCH)

    tried = receiver("export", "--dry-run")
    none = receiver("export", "--before", "2025-03")
    exported = receiver("export", "-o", "json")
    pruned = receiver("prune")
    again = receiver("prune")

    assert [one.returncode for one in (tried, none, exported, pruned, again)] == [0] * 5, exported.stderr
    assert tried.stdout == "alerts 2025-03  would export  1 rows\n"
    assert none.stdout == again.stdout == "there is no month to do anything about\n"
    told = json.loads(exported.stdout)
    assert {name: told[name] for name in ("relation", "month", "outcome", "rows", "key", "reason")} == {
        "relation": "alerts",
        "month": "2025-03",
        "outcome": "exported",
        "rows": 1,
        "key": "history/alerts/2025-03.parquet",
        "reason": None,
    }
    assert pruned.stdout == "alerts 2025-03  pruned  1 rows\n"


async def test_what_stays_is_said_with_its_reason(receiver: Receiver, records: Any) -> None:
    await records.alert(starts_at=MARCH, last_seen_at=MARCH, status="firing")

    kept = receiver("prune", retention={"discard": True})

    assert (kept.returncode, kept.stdout) == (0, "alerts 2025-03  kept  1 rows: one of its alerts still fires\n")


@pytest.mark.parametrize(
    ("words", "given", "code", "said"),
    [
        (["export"], {"archive": {}}, 2, "archive.bucket is not set"),
        (["prune"], {"archive": {}}, 2, "archive.bucket is not set"),
        (["export", "--before", "2025-13"], {}, 2, "is not a month"),
        (["export"], {"archive": {"bucket": "no-such-bucket", "region": "x", "endpoint_url": "http://127.0.0.1:1"}}, 1,
         "does not answer"),
        (["prune"], {"retention": {"history": "1h"}}, 2, "retention.history is at least 1d"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_line(
    receiver: Receiver, words: list[str], given: dict[str, Any], code: int, said: str
) -> None:
    failed = receiver(*words, **given)

    assert failed.returncode == code
    assert said in failed.stderr
    assert "Traceback" not in failed.stderr
