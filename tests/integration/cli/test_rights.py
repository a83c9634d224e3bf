"""What `receiver check` says of the rights that the loaded playbooks need, asked of a stand-in cluster."""

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import typer

from receiver.cli.doctor import check
from receiver.remediate.loader import load_all
from receiver.remediate.rights import role
from receiver.sandbox.kubernetes import ApiServer
from receiver.sandbox.kubernetes.access import Identity, holder, reader
from receiver.settings import Settings, read_settings

Said = Callable[..., Awaitable[list[str]]]
LIVE = {"resume-forgotten-suspend": {"mode": "live"}}


def settings(api: ApiServer, folder: Path, database: str, **kubernetes: Any) -> Settings:
    """Settings in which one shipped playbook is live and the others are in dry run."""
    kubeconfig, config = folder / "kubeconfig.json", folder / "receiver.yaml"
    kubeconfig.write_text(json.dumps(api.kubeconfig()), encoding="utf-8")
    content = {
        "data_dir": str(folder),
        "database": {"url": database},
        "kubernetes": {"kubeconfig": str(kubeconfig), "context": "sandbox", "namespaces": ["argo"]} | kubernetes,
        "playbooks": LIVE,
    }
    config.write_text(json.dumps(content), encoding="utf-8")
    return read_settings(config, {})


@pytest.fixture
def said_of_rights(tmp_path: Path, database_url: str, capsys: pytest.CaptureFixture[str]) -> Said:
    async def said(who: Identity, **kubernetes: Any) -> list[str]:
        async with ApiServer(identities={"token": who}) as api:
            with suppress(typer.Exit):
                await check(settings(api, tmp_path, database_url, **kubernetes))
        return [line for line in capsys.readouterr().out.splitlines() if line[5:].startswith("rights ")]

    return said


async def test_a_missing_right_is_named_with_playbook_action_and_what_prints_the_role(said_of_rights: Said) -> None:
    said = await said_of_rights(reader("receiver", "argo"))

    [failed] = [line for line in said if line.startswith("FAIL ")]
    assert failed == (
        "FAIL rights        resume-forgotten-suspend (live) may not patch workflows (for workflow.resume) in argo; "
        "`receiver playbooks rbac --namespace argo` prints the Role to apply"
    )
    assert any("delete-stuck-pod (dry_run) may not delete pods (for pod.delete) in argo" in line for line in said), said


async def test_the_printed_role_is_enough_in_its_namespace_and_not_in_all(said_of_rights: Said) -> None:
    granted, _ = role(load_all(None), "argo", "monitoring/receiver")
    who = holder("receiver", granted)

    assert await said_of_rights(who) == ["ok   rights        all that reading and 6 playbooks need is granted in argo"]
    everywhere = await said_of_rights(who, namespaces=["*"])
    assert {line[:5] for line in everywhere} == {"warn "}
    assert "Receiver may not get workflows, list workflows, watch workflows" in everywhere[0]
