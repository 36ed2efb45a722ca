"""Dialogues say only what the mask lets a model say, and answer only what the specialists have shown."""

from dataclasses import replace
from typing import Any

import pytest

from foveal.agent.actions import Answer, Depth, Detect, Look, Read, Region, Segment
from foveal.agent.grammar import parse, render
from foveal.agent.mask import Vocabulary
from foveal.agent.observations import (
    Detected,
    Failed,
    Looked,
    Observation,
    Ranged,
    Recognised,
    Segmented,
)
from foveal.agent.regions import box_to_cells, cells_to_box
from foveal.agent.transcript import Acted, Asked, Noted, Observed, found_objects
from foveal.evals.boxes import area, contains
from foveal.evals.questions import FAMILIES as ASKED
from foveal.evals.tabletop import COLOURS
from foveal.evals.vocabulary import fits
from foveal.training.corpus import FINISH, TOOLS, Dialogue, dialogue
from foveal.training.sightings import Faults, imagined_sightings
from foveal.training.tokenizer import CHAT_TOKENS, number

FAMILIES = (*ASKED, "reading", "unheard", "open")
PLANS: dict[str, list[set[str]]] = {
    "count": [{"detect"}],
    "exist": [{"detect"}],
    "colour": [{"detect"}, {"look"}],
    "shape": [{"detect"}, {"look"}],
    "read": [{"detect"}, {"read"}],
    "nearer": [{"detect"}, {"depth"}],
    "side": [{"detect"}],
    "larger": [{"detect"}, {"segment"}],
    "material": [{"detect"}, {"look"}],
    "texture": [{"detect"}, {"look"}],
    "above": [{"detect"}],
    "size": [{"detect"}, {"depth", "segment"}],
    "more": [{"detect"}],
    "same": [{"detect"}, {"detect"}],
    "hop": [{"detect"}, {"read"}],
    "symbol": [{"detect"}, {"look"}],
    "dial": [{"detect"}, {"look"}],
    "tiny": [{"detect"}, {"look"}],
    "reading": [{"read"}],
    "unheard": [{"detect"}],
    "open": [],
}
NEVER = Faults(missed=0.0, invented=0.0, confused=0.0, failed=0.0)
SURE = {"faults": NEVER}


def observed(run: Dialogue) -> list[Observation]:
    return [item.observation for item in run.items if isinstance(item, Observed)]


def turns(run: Dialogue) -> list[set[str]]:
    """The kinds of action in each turn but the answer."""
    acted = [parse(item.text) for item in run.items if isinstance(item, Acted)]
    return [{action.kind for action in actions} for actions in acted[:-1]]


def answer(run: Dialogue) -> str:
    last = run.items[-1]
    assert isinstance(last, Acted)
    assert last.actions == ()
    return last.text


def finished(run: Dialogue) -> bool:
    """Whether the looking was not broken off."""
    return not any(isinstance(item, Noted) for item in run.items)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", range(8))
def test_every_turn_can_be_parsed_and_decoded(
    tokenizer: Any, play: Any, family: str, seed: int
) -> None:
    silent = [number(tokenizer, token) for token in CHAT_TOKENS]
    end, size = number(tokenizer, "<|im_end|>"), tokenizer.get_vocab_size()
    vocabulary = Vocabulary(tokenizer.get_vocab(), size, silent, end)
    words = set(vocabulary.text.tolist())
    run = play(family, seed)
    said: list[Any] = [run.asked]
    for item in run.items:
        said.append(item)
        if not isinstance(item, Acted):
            continue
        actions = parse(item.text)
        assert "".join(render(action) for action in actions) == item.text
        assert (actions[0].kind == "answer") == (item is run.items[-1])
        ids, known = tokenizer.encode(item.text, add_special_tokens=False).ids, found_objects(said)
        for position, token in enumerate([*ids, end]):
            named, text = vocabulary.allowed(ids[:position], run.asked.tools, known)
            assert token in named or (text and token in words), (item.text, position)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_a_plan_and_follows_it(play: Any, family: str) -> None:
    for seed in range(12):
        run = play(family, seed, **SURE)
        plan = PLANS[family]
        # What a hop leads to is read only where it is a sign.
        whole = finished(run) and (family != "hop" or len(turns(run)) == len(plan))
        assert turns(run) == (plan if whole else plan[: len(turns(run))])
        assert run.asked.tools == TOOLS


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("missing", TOOLS)
def test_a_plan_stops_before_a_tool_that_is_missing(play: Any, family: str, missing: str) -> None:
    tools = tuple(kind for kind in TOOLS if kind != missing)
    for seed in range(4):
        run = play(family, seed, **SURE, tools=tools)
        plan = PLANS[family]
        stop = next((n for n, kinds in enumerate(plan) if missing in kinds), len(plan))
        assert turns(run) == plan[: min(stop, len(turns(run)))]
        assert run.asked.tools == tools
        assert answer(run)


def test_a_question_outside_the_tabletop_is_not_guessed_at(play: Any) -> None:
    for family, tools in [("unheard", TOOLS), ("open", TOOLS), ("reading", ()), ("read", ())]:
        for seed in range(5):
            assert answer(play(family, seed, tools=tools)) == "unknown"


@pytest.mark.parametrize("seed", range(30))
def test_counting_and_finding_answer_with_what_was_listed(play: Any, seed: int) -> None:
    """Also when the detector is wrong."""
    for family in ("count", "exist"):
        run = play(family, seed, faults=Faults(0.3, 0.5, 0.1, failed=0.0))
        (detected,) = observed(run)
        assert isinstance(detected, Detected)
        listed = len(detected.objects)
        assert answer(run) == (str(listed) if family == "count" else ("no", "yes")[listed > 0])


@pytest.mark.parametrize("family", ["read", "symbol", "dial", "material"])
def test_what_was_taken_for_another_colour_is_looked_for_by_its_noun(
    draw: Any, family: str
) -> None:
    again = 0
    for seed in range(20):
        world, question = draw(family, seed, **SURE)
        if " " not in question.phrases[0] or question.phrases[0].endswith(" thing"):
            continue
        colour, noun = question.phrases[0].split()
        others = [(s, replace(s, label=f"{c} {noun}")) for c in COLOURS[:2] if c != colour
                  for s in imagined_sightings(world.things, world.size, NEVER, world.rng)
                  if s.label == question.phrases[0]]  # fmt: skip
        confused = replace(world, sightings=(others[0][1],))
        run = dialogue(confused, question, TOOLS)
        asked = [item.action for item in run.items if isinstance(item, Observed)]
        if finished(run):
            assert asked[:2] == [Detect(phrase=question.phrases[0]), Detect(phrase=noun)]
            assert asked[2].kind == PLANS[family][1].copy().pop()
            assert answer(run) == question.answer
            again += 1
    assert again > 3


def test_a_specialist_that_fails_ends_the_looking(play: Any) -> None:
    for family in ("count", "nearer", "read", "symbol"):
        run = play(family, 3, faults=replace(NEVER, failed=1.0))
        (failed,) = observed(run)
        assert isinstance(failed, Failed)
        assert (answer(run) == "unknown") == (family == "read")


@pytest.mark.parametrize("seed", range(20))
def test_reading_answers_with_the_text(play: Any, seed: int) -> None:
    for family in ("read", "reading"):
        run = play(family, seed)
        texts = [o for o in observed(run) if isinstance(o, Recognised)]
        if texts:
            assert answer(run) == ("".join(line.text for line in texts[-1].lines) or "no text")
        else:
            assert answer(run) == "unknown"


@pytest.mark.parametrize("seed", range(20))
def test_comparisons_agree_with_what_was_measured(draw: Any, seed: int) -> None:
    for family in ("nearer", "larger", "side"):
        world, question = draw(family, seed, **SURE)
        run = dialogue(world, question, TOOLS)
        found = observed(run)
        detected = found[0]
        assert isinstance(detected, Detected)
        order = [o.label for o in detected.objects]
        if isinstance(found[-1], Ranged):
            order = [target.label for target in found[-1].ranges]
        elif isinstance(found[-1], Segmented):
            areas = [o for o in found if isinstance(o, Segmented)]
            order = [o.label for o in sorted(areas, key=lambda o: -o.share)]
        ends = {order[0], order[-1]}
        if answer(run) in ("left", "right"):
            assert answer(run) == ("left" if order[0] == question.phrases[0] else "right")
        elif finished(run) and answer(run) not in ("yes", "no"):
            assert answer(run) in ends
            assert ends == set(question.phrases)


@pytest.mark.parametrize("seed", range(20))
def test_colour_and_shape_are_those_of_what_was_found(play: Any, seed: int) -> None:
    for family in ("colour", "shape"):
        run = play(family, seed, **SURE)
        (detected, *looks) = observed(run)
        assert isinstance(detected, Detected)
        assert answer(run) in detected.objects[0].label.split()
        assert all(isinstance(o, Looked) and o.label == detected.objects[0].label for o in looks)


def test_a_budget_now_and_then_ends_the_looking(play: Any) -> None:
    runs = [play("nearer", seed) for seed in range(80)]
    cut = [run for run in runs if not finished(run)]
    assert 0 < len(cut) < 20
    for run in cut:
        assert run.items[-2] == Noted(text=FINISH)
        assert isinstance(run.items[-3], Observed)


def test_the_note_is_the_one_that_serving_writes() -> None:
    from foveal.graphs.nodes import LAST_CALL

    assert Noted(text=FINISH) == LAST_CALL


def test_the_same_seed_gives_the_same_dialogue(play: Any) -> None:
    for family in FAMILIES:
        one, two = (play(family, 7, views=True) for _ in range(2))
        assert one == two


def test_the_question_comes_as_it_will_be_asked(draw: Any) -> None:
    world, question = draw("count", 1)
    asked = dialogue(world, question, ("detect",)).asked
    assert isinstance(asked, Asked)
    assert (asked.question, asked.size, asked.tools) == (question.text, world.size, ("detect",))


def test_an_empty_sight_is_read_whole(play: Any) -> None:
    """A sign that the detector missed is looked for everywhere."""
    whole = 0
    for seed in range(12):
        run = play("read", seed, faults=replace(NEVER, missed=1.0))
        first, *more = (item.action for item in run.items if isinstance(item, Observed))
        assert isinstance(first, Detect)
        if first.phrase != "sign" and finished(run):
            assert more.pop(0) == Detect(phrase="sign")
        assert more in ([Read()], [])
        whole += bool(more)
    assert whole > 6


def test_what_was_not_found_is_not_measured(play: Any) -> None:
    for family in ("nearer", "larger", "colour"):
        run = play(family, 2, faults=replace(NEVER, missed=1.0))
        kinds = [type(item.action) for item in run.items if isinstance(item, Observed)]
        assert kinds == [Detect]
        assert not {Depth, Segment, Look, Answer} & set(kinds)


@pytest.mark.parametrize(
    "family", ["colour", "shape", "material", "texture", "read", "symbol", "dial"]
)
def test_without_a_detector_the_model_points_at_what_it_sees(play: Any, family: str) -> None:
    tools = ("look", "read")
    for seed in range(6):
        run = play(family, seed, **SURE, tools=tools, views=True)
        first = run.items[0]
        assert isinstance(first, Acted)
        (action,) = parse(first.text)
        assert action.kind == ("read" if family == "read" else "look")
        assert isinstance(action.target, Region)


def test_a_region_is_pointed_at_as_tightly_as_its_crop_allows(draw: Any) -> None:
    """The crop of a region has a margin, so slivers in further cells are left out; the thing never is."""
    tighter = 0
    for seed in range(20):
        world, question = draw("symbol", seed, views=True, faults=NEVER)
        acted = dialogue(world, question, ("look",)).items[0]
        assert isinstance(acted, Acted)
        action = parse(acted.text)[0]
        if not isinstance(action, Look) or not isinstance(action.target, Region):
            continue
        thing = next(t for t in world.things if t.id == question.targets[0])
        cells = box_to_cells(thing.box, *world.size)
        crop, widest = (cells_to_box(one, *world.size) for one in (action.target, cells))
        assert contains(crop, thing.box)
        assert area(crop) <= area(widest)
        tighter += area(crop) < area(widest)
    assert tighter > 5


def test_a_text_alone_points_at_nothing(play: Any) -> None:
    for seed in range(6):
        assert not turns(play("symbol", seed, **SURE, tools=("look", "read")))


def test_what_was_not_found_or_not_told_settles_nothing(play: Any) -> None:
    blind = Faults(missed=1.0, invented=0.0, confused=0.0, failed=0.0)
    deaf = Faults(missed=0.0, invented=0.0, confused=0.0, failed=1.0)
    for family in ("nearer", "side", "above", "larger", "size", "same"):
        for seed in range(4):
            assert not play(family, seed, faults=blind).settled
            assert not play(family, seed, faults=deaf).settled
            assert not play(family, seed, **SURE, tools=("look",)).settled


def test_the_like_of_a_thing_is_looked_for_by_what_they_share(play: Any) -> None:
    for seed in range(12):
        run = play("same", seed, **SURE)
        if len(observed(run)) == 2 and run.settled:
            first, second = observed(run)
            assert isinstance(first, Detected)
            assert isinstance(second, Detected)
            assert len(first.objects) == 1
            assert answer(run) in {one.label for one in second.objects} - {first.objects[0].label}


@pytest.mark.parametrize("family", ["count", "exist", "colour", "side", "nearer", "symbol", "more"])
def test_what_was_not_asked_for_is_not_believed(draw: Any, family: str) -> None:
    """Looking ends with it, and the answer is as true as before."""
    lengths = set()
    for seed in range(12):
        world, question = draw(family, seed, views=True, faults=replace(NEVER, astray=1.0))
        run = dialogue(world, question, TOOLS)
        asked = [i.action for i in run.items if isinstance(i, Observed)]
        last = run.items[-1]
        for action, told in zip(asked, observed(run), strict=True):
            assert isinstance(action, Detect)
            assert isinstance(told, Detected)
            assert told.phrase != action.phrase
            assert not any(
                fits(o.label, p) for o in told.objects for p in action.phrase.split(" . ")
            )
            lengths.add(len(told.objects))
        assert len(run.items) == 2 + len(asked)
        assert isinstance(last, Acted)
        assert last.text == question.answer
        assert not run.settled
    assert len(lengths) > 2


def test_nothing_goes_astray_where_nothing_can_be_seen(play: Any) -> None:
    run = play("count", 1, faults=replace(NEVER, astray=1.0))
    assert run.settled
