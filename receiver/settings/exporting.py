"""The settings of what shows each workflow to Prometheus."""

from receiver.settings.part import Part


class Exporter(Part, frozen=True):
    """The metrics of workflows: `receiver exporter`, or a part of `serve`."""

    enabled: bool | None = None
    """Whether `serve` shows them too. Null means that it does with the embedded database only: on a database of its own
    it may run many times, and each would follow the cluster and tell the same."""
    namespaces: tuple[str, ...] | None = None
    """Which namespaces are followed; `["*"]` means all. Null means `kubernetes.namespaces`."""
    host: str = "127.0.0.1"
    """Where `receiver exporter` listens; in a pod 0.0.0.0. There is nothing to ask for but metrics and health."""
    port: int = 8081
    """Beside the port of `serve`, so that both run on one machine."""

    def within_serve(self, *, embedded: bool) -> bool:
        """Whether `serve` follows the cluster and shows these metrics itself."""
        return embedded if self.enabled is None else self.enabled
