from prometheus_client import CollectorRegistry

from receiver.web.metrics import ReloadFigures, Reloads


def test_a_refused_change_of_the_playbooks_can_be_alerted_on() -> None:
    registry, now = CollectorRegistry(), Reloads(taken=2, refused=1, stale=True)
    registry.register(ReloadFigures(lambda: now))

    assert registry.get_sample_value("receiver_playbooks_stale") == 1
    assert registry.get_sample_value("receiver_playbooks_reloads_total", {"result": "refused"}) == 1
    assert registry.get_sample_value("receiver_playbooks_reloads_total", {"result": "taken"}) == 2
    now = Reloads(taken=3, refused=1, stale=False)
    assert registry.get_sample_value("receiver_playbooks_stale") == 0
