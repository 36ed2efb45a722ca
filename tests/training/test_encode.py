"""What is trained on is what is served: the same tokens at the same places; only the model's own are learnt."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from foveal.agent.dialogue import Foveal
from foveal.agent.grammar import CONTROL_TOKENS
from foveal.agent.native import model as native
from foveal.agent.native.context import Again as Reencoding
from foveal.agent.native.context import Context
from foveal.agent.native.model import NativeModel
from foveal.agent.transcript import Acted, Injected
from foveal.agent.vision import VisionEncoder
from foveal.agent.wording import Reseen
from foveal.training.corpus import TOOLS, Dialogue
from foveal.training.encode import Sequence, encode, follow
from foveal.training.glimpses import grid_of, picture
from foveal.training.packing import Row, stack
from foveal.training.pictured import view_grid
from foveal.training.reencoders import add_projectors
from foveal.training.reseeing import Again, seen
from foveal.training.sightings import Faults
from foveal.training.sizes import PIXELS
from foveal.training.subjects import window
from foveal.training.tokenizer import SYSTEM, number

SURE = Faults(0.0, 0.0, 0.0, 0.0)
FAMILIES = ("count", "exist", "colour", "shape", "read", "nearer", "side", "larger",
            "reading", "unheard", "open")  # fmt: skip


class Noise:
    """A store with one picture of noise, so coarse that it looks alike however it is resized."""

    def __init__(self, size: tuple[int, int]) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (3, 3, 3)).astype(np.uint8)
        self.picture: NDArray[np.uint8] = np.asarray(
            cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC), np.uint8
        )

    def pixels(self, image: str) -> NDArray[np.uint8]:
        return self.picture

    def array(self, key: str) -> NDArray[Any]:
        raise AssertionError("training keeps no features in a store")


class Recorded(Context):
    """A session's context that remembers what went into it, and where it stood."""

    def __init__(self, *options: Any) -> None:
        super().__init__(*options)
        self.ids: list[int | None] = []
        """None for a visual token."""
        self.axes: list[Any] = []
        self.conditions: list[int | None] = []
        """Of every re-encoding the control state that conditions it."""

    def _embedded(self, part: Any) -> tuple[Any, Any]:
        embeds, places = super()._embedded(part)
        self.ids += part if isinstance(part, list) else [None] * len(embeds)
        self.axes.append(np.array(places))
        self.conditions += [part.state] if isinstance(part, Reencoding) else []
        return embeds, places


@pytest.fixture(scope="module")
def served(tokenizer: Any, tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> NativeModel:
    """A model as serving builds it, with the embedded model's tokenizer, prompt and picture size."""
    from transformers import PreTrainedTokenizerFast
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    file = tmp_path_factory.mktemp("served") / "tokenizer.json"
    tokenizer.save(str(file))
    network = tiny(tokenizer)
    add_projectors(network)
    processor = Qwen2VLImageProcessorPil(size={"shortest_edge": PIXELS, "longest_edge": PIXELS})
    vision = VisionEncoder(network.model.visual, processor)
    words = PreTrainedTokenizerFast(tokenizer_file=str(file))
    projectors: Any = {"clip": network.clip_projector}
    return NativeModel(network, words, vision, Foveal(SYSTEM), projectors=projectors)


def forget(model: NativeModel) -> None:
    """Every world's picture has the same name here; a session that is not collected yet still holds the last."""
    model._seen.clear()
    model._shown.clear()


async def replayed(model: NativeModel, run: Dialogue) -> Any:
    """The context of a session that is opened with the whole transcript."""
    session = await model.open([run.asked, *run.items], Noise(run.asked.size))
    return session._context


async def heard(model: NativeModel, run: Dialogue) -> Any:
    """The context of a session that lives through the run."""
    session = await model.open([run.asked], Noise(run.asked.size))
    waiting: list[Injected] = []
    for item in run.items:
        if not isinstance(item, Acted):
            waiting.append(item)
            continue
        if waiting:
            await session.observe(waiting)
            waiting = []
        # As if decoded a token at a time.
        model.engine.run(session._context.extend([model.ids(item.text)]))
    return session._context


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("live", [replayed, heard])
async def test_serving_builds_the_same_tokens_at_the_same_places(
    served: NativeModel, tokenizer: Any, play: Any, monkeypatch: pytest.MonkeyPatch,
    family: str, live: Any,
) -> None:  # fmt: skip
    monkeypatch.setattr(native, "Context", Recorded)
    for seed, tools in [(0, TOOLS), (1, TOOLS), (2, ("detect", "depth")), (3, ())]:
        run = play(family, seed, views=True, tools=tools)
        made = encode(run, tokenizer, view_grid)
        forget(served)
        context = await live(served, run)
        assert isinstance(context, Recorded)
        [pad] = served.ids("<|image_pad|>")
        ids = [pad if token is None else token for token in context.ids]
        # Serving ends where the model's last turn does: nobody needs what would follow its end.
        assert ids == made.ids[:-1].tolist()
        assert np.array_equal(np.concatenate(context.axes, axis=1), made.positions[:, :-1])


def test_what_is_asked_of_a_re_encoding_stands_where_serving_asks(
    tokenizer: Any, play: Any
) -> None:
    """With the question that it began with, the dialogue is the one that serving builds."""
    run = play("count", 1, views=True, encoders=True, tools=("reencode",), faults=SURE)
    before = encode(replace(run, items=run.items[:2]), tokenizer, view_grid)
    asked = follow(before, run.asked.question, run.items[-1].text, tokenizer)
    made = encode(run, tokenizer, view_grid)
    assert asked.ids.tolist() == made.ids.tolist()
    assert np.array_equal(asked.positions, made.positions)
    assert asked.emitted.sum() < made.emitted.sum(), "the looking is shared, and not supervised"
    assert not asked.emitted[: asked.shared].any()
    other = follow(before, "which is nearest?", "red cube", tokenizer)
    assert other.ids[: other.shared].tolist() == made.ids[: other.shared].tolist()
    assert "which is nearest?" in tokenizer.decode(other.ids[other.shared :].tolist())


async def test_serving_sees_again_what_training_showed(
    served: NativeModel, tokenizer: Any, play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the model's own tower, in quarters: the same tokens in a line, one state before them all."""
    monkeypatch.setattr(native, "Context", Recorded)
    run = play("count", 1, views=True, encoders=True, tools=("reencode",), faults=SURE)
    made = encode(run, tokenizer, view_grid)
    assert [isinstance(picture, Reseen) for picture, _ in made.views] == [False, *[True] * 4]
    forget(served)
    context = await heard(served, run)
    [pad] = served.ids("<|image_pad|>")
    assert [pad if token is None else token for token in context.ids] == made.ids[:-1].tolist()
    assert np.array_equal(np.concatenate(context.axes, axis=1), made.positions[:, :-1])
    shelf = Noise(run.asked.size)
    image = picture(shelf.picture, (0, 0, *run.asked.size), made.views[0][1])
    row = Row()
    row.add(made)
    controls = [number(tokenizer, token) for token in CONTROL_TOKENS]
    packed = stack([row], len(row), number(tokenizer, "<|endoftext|>"), pad, controls)
    again = [
        Again("clip", picture(shelf.picture, window(one.view), grid), grid[0] * grid[1])
        for one, grid in made.views
        if isinstance(one, Reseen)
    ]
    with torch.no_grad():
        _, states = seen(served.network, packed, (image, *again))
    assert states is not None
    (state,) = context.states
    assert torch.cosine_similarity(states[0].float(), state, dim=0) > 0.98
    forget(served)
    assert (await replayed(served, run)).conditions == [0] * 4


def encoded(play: Any, tokenizer: Any, family: str, **world: Any) -> tuple[Dialogue, Sequence]:
    """A dialogue that saw its plan through, with pictures."""
    for seed in range(100):
        run = play(family, seed, faults=Faults(0.0, 0.0, 0.0, 0.0), views=True, **world)
        if sum(isinstance(item, Acted) for item in run.items) == 3:
            return run, encode(run, tokenizer, view_grid)
    raise AssertionError("no dialogue of three turns")


def test_the_model_learns_its_own_turns_and_where_they_end(tokenizer: Any, play: Any) -> None:
    run, made = encoded(play, tokenizer, "colour")
    turns = [item.text for item in run.items if isinstance(item, Acted)]
    said = tokenizer.decode(made.ids[made.emitted].tolist(), skip_special_tokens=False)
    assert said == "".join(f"{text}<|im_end|>" for text in turns)


def test_visual_places_are_those_of_the_views_and_never_emitted(tokenizer: Any, play: Any) -> None:
    _, made = encoded(play, tokenizer, "colour")
    visual = made.ids == number(tokenizer, "<|image_pad|>")
    assert [getattr(view, "role", "") for view, _ in made.views] == ["whole", "crop"]
    assert visual.sum() == sum(rows * columns for _, (rows, columns) in made.views)
    assert not (visual & made.emitted).any()


def test_what_dialogues_share_ends_with_the_image(tokenizer: Any, play: Any) -> None:
    _, made = encoded(play, tokenizer, "colour")
    shared = tokenizer.decode(made.ids[: made.shared].tolist(), skip_special_tokens=False)
    assert shared.startswith(
        "<|im_start|>system\ntools: look reencode detect segment depth read<|im_end|>"
    )
    assert shared.endswith("<|image_pad|><|vision_end|>")


def test_without_a_grid_there_are_no_pictures(tokenizer: Any, play: Any) -> None:
    run, made = encoded(play, tokenizer, "colour")
    text = encode(run, tokenizer)
    left_out = {number(tokenizer, f"<|{n}|>") for n in ("image_pad", "vision_start", "vision_end")}
    assert text.views == ()
    assert text.ids.tolist() == [i for i in made.ids.tolist() if i not in left_out]
    assert np.array_equal(text.positions, np.tile(np.arange(len(text.ids)), (3, 1)))


def test_an_image_takes_as_many_positions_as_its_longer_side(tokenizer: Any, play: Any) -> None:
    run, made = encoded(play, tokenizer, "colour")
    rows, columns = grid_of(*run.asked.size)
    first = int(np.argmax(made.ids == number(tokenizer, "<|image_pad|>")))
    start, after = made.positions[:, first], made.positions[:, first + rows * columns]
    assert (after - start == max(rows, columns)).all()
