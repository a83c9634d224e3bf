from pathlib import Path

from receiver.pipeline.reloading import Playbooks, Reloading
from receiver.remediate.loader import load_all

TEXT = load_all(None)[0].text


class Known:
    """Counts how often a change was made known."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self) -> None:
        self.times += 1


def begun(folder: Path) -> tuple[Playbooks, Reloading, Known]:
    (folder / "a.yaml").write_text(TEXT)
    playbooks, known = Playbooks(load_all(str(folder))), Known()
    return playbooks, Reloading(folder, playbooks, known), known


async def test_a_changed_playbook_is_in_use_and_made_known(tmp_path: Path) -> None:
    playbooks, reloading, known = begun(tmp_path)
    before = playbooks[0].version

    unchanged = await reloading.look()
    (tmp_path / "a.yaml").write_text(TEXT.replace("cooldown: 1h", "cooldown: 2h30m"))
    changed = await reloading.look()

    assert (unchanged, changed, known.times) == (False, True, 1)
    assert (reloading.taken, reloading.refused) == (1, 0)
    assert playbooks[0].version != before


async def test_a_broken_one_keeps_the_old_ones_and_says_where_it_is_wrong(tmp_path: Path) -> None:
    playbooks, reloading, known = begun(tmp_path)
    before = list(playbooks)

    (tmp_path / "b.yaml").write_text(TEXT.replace("cooldown: 1h", "cooldwn: 1h"))
    changed = await reloading.look()

    assert (changed, known.times, list(playbooks)) == (False, 0, before)
    assert "b.yaml:12: unknown key 'cooldwn'" in reloading.trouble

    (tmp_path / "b.yaml").unlink()
    assert await reloading.look()
    assert reloading.trouble == ""
    assert (reloading.taken, reloading.refused) == (1, 1)


async def test_a_folder_that_is_emptied_keeps_the_old_ones(tmp_path: Path) -> None:
    playbooks, reloading, _ = begun(tmp_path)

    (tmp_path / "a.yaml").unlink()
    changed = await reloading.look()

    assert not changed
    assert len(playbooks) == 1
    assert "has no *.yaml" in reloading.trouble
