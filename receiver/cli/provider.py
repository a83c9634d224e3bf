"""The provider at which people log in, made of the settings; loaded only where one is configured."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from receiver.clients.outward import proxy_for
from receiver.settings import Settings
from receiver.web.people import People, Provider


@asynccontextmanager
async def open_provider(settings: Settings) -> AsyncIterator[Provider | None]:
    """Give a client of the provider while the block lasts; None where none is configured.

    Raises:
        SettingsError: The issuer cannot be used.
    """
    oidc = settings.auth.oidc
    if oidc is None:
        yield None
        return
    from receiver.clients.provider import Provider as Client  # noqa: PLC0415 - cryptography is slow to load, and few need it

    async with Client(
        oidc.issuer,
        client_id=oidc.client_id,
        secret=oidc.secret.reveal,
        scopes=oidc.scopes,
        algorithms=oidc.algorithms,
        timeout=oidc.timeout,
        proxy=proxy_for(oidc.issuer, os.environ),
    ) as provider:
        yield provider


@asynccontextmanager
async def people_of(settings: Settings) -> AsyncIterator[People | None]:
    """Give those who may log in at the provider while the block lasts; None where none is configured.

    Raises:
        SettingsError: The issuer or the client's secret cannot be used.
    """
    async with open_provider(settings) as provider:
        oidc, public_url = settings.auth.oidc, settings.server.public_url
        yield People(oidc, provider, public_url=public_url) if oidc and provider and public_url else None
