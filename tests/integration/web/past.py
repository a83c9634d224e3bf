"""What came of a backtest, for whoever shows it."""

from datetime import datetime, timedelta

from receiver.model.backtest import Answer, Backtest, Instance, Instead


def played(at: datetime) -> Backtest:
    """A day up to a time, in which one alert was heard of, about which the playbook would have run."""
    hour = timedelta(hours=1)
    one = Instance(
        alert_id="202611-1",
        at=at,
        workflow="argo/etl",
        answer=Answer.RUN,
        guard="",
        reason="All guards agree",
        instead="acknowledged",
        lasted=hour,
    )
    return Backtest(
        playbook="restart-stuck-workflow",
        version="1",
        since=at - 24 * hour,
        until=at,
        alerts=1,
        answers={answer: int(answer is Answer.RUN) for answer in Answer},
        refused_by={},
        undecidable={},
        busiest_hour=at,
        busiest_count=1,
        days={at.date(): {Answer.RUN: 1}},
        instead=[Instead(what="acknowledged", count=1, median=hour, longest=hour)],
        instances=[one],
        notes=["assumed"],
    )
