"""Ten thousand runs that wait at once: rows and nothing else, until each is due in its turn."""

from datetime import timedelta

from sqlalchemy import text

from receiver.store import sweeps

from .conftest import House

RUNS = 10_000
BATCH = 500
"""As many runs as one sweep wakes; there is a sweep each second."""


async def wait_for(house: House, first: timedelta) -> None:
    """Put runs there that wait, the last one written down first due, a millisecond apart."""
    async with house.rooms.database.transaction() as transaction:
        await transaction.execute(
            text(
                "insert into runs (incident_id, alert_id, playbook, version, mode, lineage, state, reason, confirm, "
                "escalate, steps, cursor, vars, wake_at, entered_at, started_at) "
                "select 0, '202611-0', 'restart', '1', 'live', 'lineage ' || n, 'waiting', 'it waits', '', false, "
                "'[]', 0, '{}', cast(:due as timestamptz) + (:runs - n) * interval '1 millisecond', :now, :now "
                "from generate_series(1, :runs) n"
            ),
            {"due": house.clock() + first, "now": house.clock(), "runs": RUNS},
        )
        await transaction.execute(text("analyze runs"))


async def sweeps_once(house: House) -> None:
    async with house.rooms.database.transaction() as transaction:
        await sweeps.enqueue_due(transaction, house.rooms.queue, house.clock())


async def sweep(house: House) -> list[int]:
    """Sweep once; gives the runs that were woken, in the order of their jobs."""
    await sweeps_once(house)
    return [arguments["run_id"] for name, arguments in await house.take_jobs() if name == "tick"]


async def test_whoever_waits_has_no_job_and_an_idle_sweep_reads_one_entry_of_an_index(house: House) -> None:
    await wait_for(house, timedelta(hours=1))

    assert await sweep(house) == []

    assert await house.rows("select count(*) from procrastinate_jobs") == [(0,)]
    [(plan,)] = await house.rows(
        "explain (format json) select id from runs where state in ('running', 'waiting') "
        "and wake_at <= '2026-11-24 09:00+00' order by wake_at limit 500"
    )
    assert "Seq Scan" not in str(plan)
    assert "runs_wake_idx" in str(plan)


async def test_all_wake_in_batches_first_due_first_and_each_once(house: House) -> None:
    await wait_for(house, -timedelta(seconds=RUNS / 1_000))
    expected = [number for (number,) in await house.rows("select id from runs order by wake_at")]

    woken: list[list[int]] = []
    for _ in range(RUNS // BATCH):
        house.clock.pass_by(timedelta(seconds=1))
        woken.append(await sweep(house))

    assert [len(batch) for batch in woken] == [BATCH] * (RUNS // BATCH)
    assert [number for batch in woken for number in batch] == expected
    assert await sweep(house) == [], "their ticks have a lease, within which nobody else is sent"
    print(f"{RUNS} runs, due at once: woken in {len(woken)} sweeps of {BATCH}, one each second")  # noqa: T201


async def test_a_run_whose_job_waits_longer_than_its_lease_gets_no_second_one(house: House) -> None:
    await wait_for(house, -timedelta(seconds=RUNS / 1_000))
    for _ in range(RUNS // BATCH):
        await sweeps_once(house)

    house.clock.pass_by(timedelta(minutes=5))
    await sweeps_once(house)

    assert await house.rows("select count(*), count(distinct args->>'run_id') from procrastinate_jobs") == [
        (RUNS, RUNS)
    ]
