"""How the steps of a workflow are drawn, whatever they are."""

from datetime import UTC, datetime, timedelta

import pytest

from receiver.model.graph import Graph, Step
from receiver.web.console.graph import HEIGHT, LONGEST_NAME, MOST_ALONE, WIDTH, Drawn, draw

BEGUN = datetime(2026, 11, 24, 3, tzinfo=UTC)


def step(name: str, phase: str = "Succeeded", *, then: tuple[int, ...] = (), within: int | None = 0) -> Step:
    return Step(name=name, type="Pod", phase=phase, then=then, within=within, started_at=BEGUN)


def drawn(*steps: Step, stuck: int | None = None) -> Drawn:
    made = draw(Graph(steps=steps, stuck=stuck))
    assert made is not None
    return made


CHAIN = (
    step("dag", "Running", then=(1, 2), within=None),
    step("left", then=(3,)),
    step("right", then=(3,)),
    step("end", "Running"),
)


def test_what_comes_later_stands_further_right_and_no_two_boxes_meet() -> None:
    made = drawn(*CHAIN, stuck=3)

    at = {box.name: (box.x, box.y) for box in made.boxes}
    assert at["dag"][0] < at["left"][0] == at["right"][0] < at["end"][0]
    assert at["right"][1] >= at["left"][1] + HEIGHT
    assert made.width >= at["end"][0] + WIDTH
    assert len(made.ways) == 4
    assert [box.note for box in made.boxes if box.stuck] == ["Running · stuck here"]
    assert made.boxes[0].note == "Running, 24 Nov 03:00"
    assert made.lines[3].after == ("left", "right")


def test_where_nothing_leads_to_a_step_what_holds_it_does() -> None:
    made = drawn(step("dag", "Running", within=None), step("prepare"), step("implement", "Running"))

    assert len(made.ways) == 2
    assert made.lines[2].after == ("dag",)


def test_of_very_many_steps_those_that_ended_alike_stand_together_and_so_does_what_follows_them() -> None:
    count = 90
    first = [step(f"part({number})", then=(1 + count + number,)) for number in range(count)]
    second = [step(f"sum({number})", "Running" if number == 7 else "Succeeded") for number in range(count)]
    made = drawn(step("dag", "Running", then=tuple(range(1, count + 1)), within=None), *first, *second, stuck=98)

    assert [box.name for box in made.boxes] == ["dag", "90 steps", "sum(7)", "89 steps"]
    assert [box.stuck for box in made.boxes] == [False, False, True, False]
    assert len(made.ways) == 3
    assert len(made.lines) == 2 * count + 1
    assert made.counts == {"Running": 2, "Succeeded": 179}


def test_few_steps_have_a_box_each() -> None:
    made = drawn(step("dag", "Running", within=None), *[step(f"part({number})") for number in range(MOST_ALONE - 1)])

    assert len(made.boxes) == MOST_ALONE


@pytest.mark.parametrize(
    "steps",
    [
        (step("a", then=(1,)), step("b", then=(0,))),
        (step("a", then=(0,)),),
        (step("a", then=(7, -1), within=9),),
        (step("a", then=(1,)), step("b", then=(2,)), step("c", then=(1,))),
    ],
)
def test_steps_that_lead_to_themselves_or_nowhere_are_drawn_all_the_same(steps: tuple[Step, ...]) -> None:
    assert len(drawn(*steps, stuck=99).boxes) == len(steps)


def test_a_long_name_is_cut_and_a_clock_that_went_back_makes_no_negative_time() -> None:
    odd = Step(
        name="\u202e" + "x" * 100, phase="Failed", started_at=BEGUN, finished_at=BEGUN - timedelta(hours=1), type="Pod"
    )

    [box] = drawn(odd).boxes
    assert len(box.name) == LONGEST_NAME
    assert box.note == "Failed · 0s"


def test_nothing_is_drawn_of_nothing() -> None:
    assert draw(Graph()) is None
