"""Where playbooks come from: those that are shipped, a folder, or the settings themselves."""

import json
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

import msgspec

from receiver.model.document import Document, nearest
from receiver.model.errors import PlaybookError
from receiver.remediate.language import Playbook, check_names, load
from receiver.settings import PlaybookMode

SHIPPED: Final = (
    "restart-stuck-workflow",
    "retry-failed-workflow",
    "delete-stuck-pod",
    "resume-forgotten-suspend",
    "archive-finished-workflow",
    "restart-unhealthy-agent",
)
"""Names of the playbooks that come with Receiver, in the order in which they are asked."""

Source = str | tuple[dict[str, Any], ...] | dict[str, PlaybookMode] | None
"""What the setting `playbooks` may hold."""


def load_all(setting: Source) -> list[Playbook]:
    """Load the playbooks that the settings name.

    Args:
        setting: None for the shipped ones; a mapping for the modes of shipped ones by name; text for a folder of
            `*.yaml`; a tuple for playbooks in place.

    Raises:
        DocumentError: One of them is refused, with file and line.
        PlaybookError: The folder cannot be read or is empty, a name is unknown or stands twice.
    """
    if setting is None or isinstance(setting, Mapping):
        return _shipped(setting or {})
    documents = _in_folder(Path(setting)) if isinstance(setting, str) else _in_place(setting)
    playbooks = [load(document) for document in documents]
    check_names(playbooks)
    return playbooks


def names_of(setting: Source) -> list[str]:
    """Name the playbooks that the settings name, without judging them; one that has no name is left out.

    Raises:
        DocumentError: One of them is no YAML.
        PlaybookError: The folder cannot be read or is empty.
    """
    if setting is None or isinstance(setting, Mapping):
        return list(SHIPPED)
    documents = _in_folder(Path(setting)) if isinstance(setting, str) else _in_place(setting)
    values = [document.value for document in documents]
    return [str(value["name"]) for value in values if isinstance(value, Mapping) and "name" in value]


def _shipped(modes: Mapping[str, PlaybookMode]) -> list[Playbook]:
    for name in modes:
        if name not in SHIPPED:
            raise PlaybookError(f"playbooks: no playbook {name!r} is shipped{nearest(name, SHIPPED)}")
    folder = resources.files("receiver.remediate") / "playbooks"
    playbooks = []
    for name in SHIPPED:
        text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
        playbook = load(Document(text, file=f"playbooks/{name}.yaml"))
        mode = modes[name].mode if name in modes else playbook.mode
        playbooks.append(msgspec.structs.replace(playbook, mode=mode))
    return playbooks


def _in_folder(folder: Path) -> Iterator[Document]:
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix in {".yaml", ".yml"})
    except OSError as error:
        raise PlaybookError(f"playbooks: folder {folder} cannot be read: {error}") from error
    if not files:
        raise PlaybookError(f"playbooks: folder {folder} has no *.yaml; write one, or remove the setting")
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PlaybookError(f"playbook {file} cannot be read: {error}") from error
        yield Document(text, file=str(file))


def _in_place(playbooks: tuple[dict[str, Any], ...]) -> Iterator[Document]:
    for index, value in enumerate(playbooks):
        yield Document(json.dumps(value, ensure_ascii=False, indent=2), file=f"settings, playbooks[{index}]")
