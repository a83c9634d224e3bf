"""`--watch`: what is shown anew, what is printed once, and what becomes of it while nobody answers."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from rich.cells import cell_len

from receiver.cli.forms import Form, Listed
from receiver.cli.telling import Way, painted, watched
from receiver.model.errors import RemoteError, StoreError

Step = list[int] | RemoteError | None


def say(found: Listed) -> None:
    print(f"{len(found.items)} items")  # noqa: T201


def script(*steps: Step) -> tuple[Callable[[], Awaitable[Listed | None]], asyncio.Event]:
    """Answers to one question after another; says when all were given."""
    left, done = list(steps), asyncio.Event()

    async def ask() -> Listed | None:
        if not left:
            done.set()
            await asyncio.Event().wait()
        step = left.pop(0)
        if isinstance(step, RemoteError):
            raise step
        return None if step is None else Listed(items=step)

    return ask, done


async def told(form: Form, *steps: Step) -> None:
    ask, done = script(*steps)
    way = Way(output=form, told=say, name=lambda one: one)
    watching = asyncio.create_task(watched(ask, way, every=timedelta()))
    await asyncio.wait([watching, asyncio.create_task(done.wait())], return_when=asyncio.FIRST_COMPLETED)
    if watching.done():
        watching.result()
    watching.cancel()


async def test_a_pipe_gets_an_answer_only_when_it_differs(capsys: pytest.CaptureFixture[str]) -> None:
    await told(Form.TABLE, [1], [1], [1, 2], [1, 2])
    await told(Form.JSON, [1], [1], [2])

    assert capsys.readouterr().out == '1 items\n2 items\n{"items": [1]}\n{"items": [2]}\n'


async def test_a_pipe_gets_each_name_once(capsys: pytest.CaptureFixture[str]) -> None:
    await told(Form.NAME, [2, 1], [3, 2, 1], [1])

    assert capsys.readouterr().out.split() == ["2", "1", "3"]


async def test_a_service_that_is_away_for_a_while_is_asked_again(capsys: pytest.CaptureFixture[str]) -> None:
    await told(Form.NAME, [1], RemoteError("it is away"), [2])

    out, err = capsys.readouterr()
    assert out.split() == ["1", "2"]
    assert "it is away" in err


@pytest.mark.parametrize("first", [RemoteError("it is away"), None])
async def test_the_first_question_must_have_an_answer(first: Step) -> None:
    with pytest.raises(RemoteError if first else StoreError):
        await told(Form.TABLE, first, [1])


async def test_a_terminal_shows_the_newest_answer_and_keeps_it_while_nobody_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)

    await told(Form.TABLE, [1], [1], RemoteError("it is\x1b[2J away"))

    pictures = capsys.readouterr().out.split("\x1b[H")[2:]
    assert ["1 items" in one for one in pictures] == [True, True, True]
    assert "it is\ufffd[2J away" in pictures[-1]


def test_a_picture_fits_the_terminal() -> None:
    picture = painted([f"{number} {'x' * 300}" for number in range(50)], 80, 24)

    lines = picture.replace("\x1b[H", "").replace("\x1b[J", "").replace("\x1b[K", "").splitlines()
    assert len(lines) == 23
    assert max(map(cell_len, lines)) == 80
    assert lines[-1] == "and 28 lines more; a --limit or a filter makes it fit"
