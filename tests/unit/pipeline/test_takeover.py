"""How long the work of a process that died waits for another one, by what the parts of that time are set to."""

from datetime import timedelta

from receiver.pipeline import labour
from receiver.store import decisions, jobs

PROMISED = timedelta(seconds=30)
"""Within which another replica goes on."""


def test_a_run_whose_process_died_is_taken_over_in_time() -> None:
    """Its lease ends, a sweep sees it, and a worker finds the job."""
    assert decisions.TICK_LEASE + labour._SWEEP_EVERY + jobs._POLL_EVERY < PROMISED


def test_a_job_whose_process_died_is_taken_over_in_time() -> None:
    """Its worker counts as gone, the reaper gives the job back, and another worker finds it."""
    assert jobs._STALLED + labour._REAP_EVERY + jobs._POLL_EVERY < PROMISED
