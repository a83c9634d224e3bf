"""A route's own words on their way to Slack, what is told where they fail, and the command that shows them before."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from receiver.cli.doctor import _templates
from receiver.notify.templates import Templates
from receiver.settings import read_settings
from tests.integration.command_line import command_line

from .conftest import House


async def test_a_template_speaks_until_it_breaks_and_each_failure_is_told_shown_and_found(
    house: House, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = tmp_path / "words.j2"
    words.write_text("{% block body %}*{{ labels.alertname }}* of {{ labels.team }}{% endblock %}")
    config = tmp_path / "receiver.yaml"
    routes = [{"matchers": [], "to": ["slack"], "template": str(words)}]
    config.write_text(json.dumps({"database": {"url": database_url}, "routes": routes}))
    monkeypatch.chdir(tmp_path)
    settings = read_settings(config, {})
    house.rooms = replace(house.rooms, routes=settings.routes, templates=Templates([str(words)]))
    receiver = command_line(monkeypatch, capfd, "templates")

    await house.fire("no-such-workflow", alertname="QueueFull", team="<!here>")
    await house.work()
    shown = await receiver("preview", "--incident", "1")
    words.write_text("{% block body %}\n{{ labels.team.name }}{% endblock %}")
    os.utime(words, ns=(1, 1))
    await house.fire("another-workflow", alertname="QueueEmpty", team="a")
    await house.work()
    broken = await receiver("preview", "--incident", "2", "--route", "1", "-o", "json")
    words.write_text("{% block body %}\n{{ labels.team }}{% endblock %")
    named = await receiver("preview", "--incident", "2", "--template", str(words))

    first, second = (one for one in house.slack.messages("#taskmaster-alerts") if one.thread_ts is None)
    fault = f"{words}:2: the template failed: nothing has a 'name' here"
    assert "*QueueFull* of &lt;!here&gt;" in str(first.blocks)
    assert "Receiver has done nothing about it" in str(second.blocks)
    assert await house.rows("select incident_id, text from timeline where kind = 'template.failed'") == [
        (2, f"slack is told in the built-in words: {fault}")
    ]
    assert shown[0] == 0
    assert f"slack #taskmaster-alerts, by {words}:" in shown[1]
    assert "  *QueueFull* of &lt;!here&gt;" in shown[1].splitlines()
    assert broken[0] == 1
    assert [one["fault"] for one in json.loads(broken[1])["messages"]] == [fault]
    assert named[0] == 2
    assert f"{words}:2: " in named[2]
    assert [(one.mark, one.text.startswith(f"{words}:2: ")) for one in _templates(settings)] == [("FAIL", True)]
