"""What is made of `auth.oidc`: the line of `receiver check`, and those who may log in."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
import typer

from receiver.cli.doctor import check
from receiver.cli.provider import people_of
from receiver.settings import Settings, read_settings
from tests.integration.provider import CLIENT, SECRET, StandIn


def settings(folder: Path, database: str, provider: StandIn | None) -> Settings:
    secret, config = folder / "secret", folder / "receiver.yaml"
    secret.write_text(f"{SECRET}\n", encoding="utf-8")
    auth = {
        "tokens": [{"name": "alertmanager", "role": "ingest", "token": "x"}],
        "oidc": provider
        and {
            "issuer": provider.origin,
            "client_id": CLIENT,
            "client_secret_file": str(secret),
            "roles": {"sre": "operator"},
            "timeout": "60s",
        },
    }
    content = {
        "data_dir": str(folder),
        "database": {"url": database},
        "server": {"public_url": "https://receiver.example.org/"},
        "auth": auth,
    }
    config.write_text(json.dumps(content), encoding="utf-8")
    return read_settings(config, {})


async def test_check_says_whom_the_provider_lets_in_and_what_is_wrong_with_it(
    tmp_path: Path, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    async with StandIn() as provider:
        for wrong in ({}, {"issuer": "https://other.example"}):
            provider.discovery = dict(wrong)
            with suppress(typer.Exit):
                await check(settings(tmp_path, database_url, provider))
            said += [line for line in capsys.readouterr().out.splitlines() if line[5:].startswith("login ")]

    assert said[0] == f"ok   login         {provider.origin} lets in sre (operator)"
    assert said[1].startswith("FAIL login ")
    assert "they must be the same to the letter" in said[1]
    assert SECRET not in "".join(said)


async def test_people_log_in_where_a_provider_is_configured_and_nowhere_else(tmp_path: Path, database_url: str) -> None:
    async with StandIn() as provider:
        given = settings(tmp_path, database_url, provider)
        async with people_of(given) as people, people_of(settings(tmp_path, database_url, None)) as nobody:
            assert people is not None
            address = await people.provider.login_url(
                redirect_uri=people.redirect_uri, state="s", nonce="n", challenge="c"
            )

    assert nobody is None
    assert people.redirect_uri == "https://receiver.example.org/login/oidc/callback"
    assert "scope=openid+profile+email&" in address
