"""A Receiver elsewhere, asked through its own API: the typed client for Python, which the command line uses too.

    async with ReceiverClient("https://receiver.example.org", token) as service:
        page = await service.alerts.page(status=AlertStatus.FIRING, since=yesterday)
        story = await service.incidents.get(page.items[0].incident_id)
        asked = await service.remediations.approve(7, "seen, and agreed")

Each subject of the API is a member with one method for each of its routes, and answers with the shapes of
`receiver.model.shapes`. What is not there is None. What went wrong is a `RemoteError`, what was asked wrongly a
`QueryRefused`.
"""

from receiver.clients.receiver.client import Happening, ReceiverClient

__all__ = ["Happening", "ReceiverClient"]
