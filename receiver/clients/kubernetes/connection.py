"""As whom, and to where: the three ways in which a connection is named.

Every one begins with a fresh `Configuration`. A copy of the library's default would keep the hook that renews somebody
else's token, and act as them.
"""

from pathlib import Path

from kubernetes import client, config

from receiver.model.errors import SettingsError


def in_cluster() -> client.Configuration:
    """Return the connection of the account that the pod we run in was given.

    Raises:
        SettingsError: We do not run in a pod, or it was given no account.
    """
    configuration = _fresh()
    try:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # the package's
    except (config.ConfigException, OSError) as missing:
        raise SettingsError(
            f"kubernetes: there is no in-cluster account here ({missing}). "
            "Run in a pod with a service account, or set kubernetes.kubeconfig and kubernetes.context."
        ) from missing
    return configuration


def from_file(kubeconfig: Path, context: str | None) -> client.Configuration:
    """Return a connection from a kubeconfig file; without *context*, the file's current one.

    Raises:
        SettingsError: The file cannot be read, or has no such context.
    """
    if not kubeconfig.is_file():
        raise SettingsError(f"kubernetes.kubeconfig: there is no file {kubeconfig}.")
    configuration = _fresh()
    try:
        config.load_kube_config(  # type: ignore[no-untyped-call]  # the package's
            config_file=str(kubeconfig), context=context, client_configuration=configuration, persist_config=False
        )
    except (config.ConfigException, OSError, ValueError) as unusable:
        named = f" and context {context}" if context else ""
        raise SettingsError(f"kubernetes: {kubeconfig}{named} cannot be used: {unusable}.") from unusable
    return configuration


def at(url: str, token: str) -> client.Configuration:
    """Return a connection to an address with a bearer token, past any proxy; for a cluster of our own on loopback."""
    configuration = client.Configuration(host=url, proxy="", retries=False)
    configuration.api_key = {"BearerToken": f"Bearer {token}"}
    return configuration


def _fresh() -> client.Configuration:
    # Left alone, urllib3 repeats GET, PUT and DELETE three times, each with the whole timeout.
    return client.Configuration(retries=False)
