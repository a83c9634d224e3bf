"""The image is what can be judged of it without building it: pinned, without root, and made of files that are there."""

import re
import shlex
import tomllib
from fnmatch import fnmatch

from tests.deploy.manifests import DEPLOY, ROOT, built, containers, pods

TEXT = re.sub(r"\\\n", "", (DEPLOY / "Dockerfile").read_text())
STEPS = [line.split(maxsplit=1) for line in TEXT.splitlines() if line and not line.startswith("#")]


def steps(instruction: str) -> list[str]:
    return [rest for word, rest in STEPS if word == instruction]


def sent(path: str) -> bool:
    """Whether .dockerignore lets a file of the root into the build; the last pattern that matches decides."""
    decided = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#") and fnmatch(path, line.removeprefix("!")):
            decided = line.startswith("!")
    return decided


def test_both_stages_begin_from_one_pinned_and_slim_python() -> None:
    (base,) = steps("ARG")

    assert re.fullmatch(r"BASE=python:3\.\d+\.\d+-slim-[a-z]+", base)
    assert [line.split()[0] for line in steps("FROM")] == ["${BASE}", "${BASE}"]


def test_what_is_installed_follows_the_lock_file() -> None:
    commands = [shlex.split(line) for line in steps("RUN")]
    syncs = [command for command in commands if command[:2] == ["uv", "sync"]]

    assert len(syncs) == 2
    assert all({"--frozen", "--no-dev"} <= set(command) for command in syncs)
    assert re.search(r"pip install --no-cache-dir uv==\d+\.\d+\.\d+$", "\n".join(steps("RUN")), re.MULTILINE)


def test_everything_that_is_copied_is_there_and_is_sent() -> None:
    sources = [part for line in steps("COPY") if "--from" not in line for part in line.split()[:-1]]

    assert {"pyproject.toml", "uv.lock", "receiver", "migrations"} <= set(sources)
    assert [one for one in sources if not (ROOT / one).exists() or not sent(one)] == []


def test_everything_that_the_wheel_is_built_of_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    wanted = {project["project"]["readme"], *project["project"]["license-files"]}
    wanted |= {*wheel["packages"], *wheel["force-include"]}

    copied = {part for line in steps("COPY") for part in line.split()[:-1]}

    assert wanted <= copied


def test_nothing_else_is_sent() -> None:
    assert [
        one for one in (".git", ".venv", "tests", "docs", "deploy", "receiver.yaml", ".receiver") if sent(one)
    ] == []


def test_it_runs_as_the_number_that_the_manifests_name_and_never_as_root() -> None:
    (user,) = steps("USER")
    ours = [pod.spec["securityContext"] for pod in pods(built("base"))]

    assert user == "10001:10001"
    assert {f"{one['runAsUser']}:{one['runAsGroup']}" for one in ours} == {user}
    assert steps("ENTRYPOINT") == ['["receiver"]']
    assert all("command" not in one for pod in pods(built("base")) for one in containers(pod.spec))


def test_the_tag_in_the_manifests_is_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert {one["image"] for pod in pods(built("base")) for one in containers(pod.spec)} == {f"receiver:{version}"}
