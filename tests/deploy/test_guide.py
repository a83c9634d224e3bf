"""What docs/deploy.md tells a team to write works."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.deploy.manifests import DEPLOY, ROOT, containers, kubectl, named, pods, read

GUIDE = (ROOT / "docs/deploy.md").read_text()


def test_an_overlay_of_your_own_names_your_image_and_your_settings(tmp_path: Path) -> None:
    fence = re.search(r"```yaml\n# receiver/kustomization.yaml\n(.*?)```", GUIDE, re.DOTALL)
    assert fence
    shutil.copytree(DEPLOY, tmp_path / "deploy", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "receiver").mkdir()
    (tmp_path / "receiver/kustomization.yaml").write_text(fence[1])
    (tmp_path / "receiver/receiver.yaml").write_text("kubernetes: {namespaces: [elsewhere]}\n")

    done = subprocess.run(
        [kubectl(), "kustomize", str(tmp_path / "receiver")], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    things = read(done.stdout)
    settings = named(things, "ConfigMap", "receiver-config")
    names = {
        source["configMap"]["name"]
        for pod in pods(things)
        for volume in pod.spec["volumes"]
        for source in volume.get("projected", {}).get("sources", [volume])
        if "configMap" in source
    }
    images = {one["image"] for pod in pods(things) for one in containers(pod.spec)}
    assert settings["data"] == {"receiver.yaml": "kubernetes: {namespaces: [elsewhere]}\n"}
    assert names == {settings["metadata"]["name"]}
    assert images == {"registry.example.com/receiver:0.1.0"}


def test_every_file_that_it_names_is_there() -> None:
    files = set(re.findall(r"\b((?:deploy|alertmanager)/[\w./-]*\w)", GUIDE))

    assert len(files) >= 10
    assert [one for one in files if not (ROOT / one).exists()] == []
