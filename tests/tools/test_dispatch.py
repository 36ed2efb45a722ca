"""The dispatcher contract: the same bodies in this process, on Ray, and on a cluster of two raylets."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from foveal.agent.actions import Depth, Detect, Look, Object, Read, Reencode, Region, Segment
from foveal.agent.errors import SetupError, SpecialistError
from foveal.agent.observations import Detected, Looked, Reencoded, Segmented
from foveal.tools.base import Dispatcher, Mark
from foveal.tools.catalogue import Crew, embedded
from foveal.tools.dispatch import InlineDispatcher, answers, described
from foveal.tools.store import ImageStore

Pixels = NDArray[np.uint8]
MarkOn = Callable[..., Mark]


async def test_pixels_arrive_exactly(
    dispatcher: Dispatcher, store: ImageStore, photo: Pixels
) -> None:
    found = await dispatcher.dispatch(Detect(phrase="x"), store.put(photo))
    assert isinstance(found, Detected)
    assert found.objects[0].score == round(float(photo.mean()), 3)


async def test_masks_and_features_come_back_exactly_and_are_stored(
    dispatcher: Dispatcher, store: ImageStore, photo: Pixels, segment: Segment, mark_on: MarkOn
) -> None:
    image = store.put(photo)
    seen = await dispatcher.dispatch(segment, image, [mark_on(image)])
    assert isinstance(seen, Segmented)
    assert np.array_equal(store.array(seen.mask), photo[:, :, 0] > 100)
    assert [view.role for view in seen.views] == ["mask", "mask"]
    for view in seen.views:
        assert np.array_equal(store.pixels(view.pixels.image), photo[:8, :8])
        assert view.source == mark_on(image).box
        assert view.tokens is not None
        assert view.tokens.count == 4
        expected = photo[0, :4].astype(np.float32)
        assert np.array_equal(store.array(view.tokens.key), expected)


async def test_the_encoder_fills_its_own_views(
    dispatcher: Dispatcher, store: ImageStore, photo: Pixels, mark_on: MarkOn
) -> None:
    image = store.put(photo)
    look = await dispatcher.dispatch(Look(target=Object(index=1)), image, [mark_on(image)])
    again = await dispatcher.dispatch(Reencode(encoder="clip"), image)
    assert isinstance(look, Looked)
    assert isinstance(again, Reencoded)
    assert look.views[0].tokens == again.views[0].tokens is not None


async def test_many_at_once_come_back_in_order(dispatcher: Dispatcher, store: ImageStore) -> None:
    images = [store.put(np.full((6, 6, 3), level, np.uint8)) for level in range(40)]
    asked = (dispatcher.dispatch(Detect(phrase=f"{n}"), one) for n, one in enumerate(images))
    found = await asyncio.gather(*asked)
    assert [one.phrase for one in found if isinstance(one, Detected)] == [f"{n}" for n in range(40)]
    assert [one.objects[0].score for one in found if isinstance(one, Detected)] == list(range(40))


FAILURES = [
    ("told", SpecialistError, "no such thing here"),  # ours: as it was
    (
        "foreign",
        SpecialistError,
        "ZeroDivisionError: several lines",
    ),  # theirs: type and reason, one line
    ("nothing back", SpecialistError, "gave 0 replies to 1 requests"),
    ("setup", SetupError, "weights are damaged"),  # for the user, not for the model
]


@pytest.mark.parametrize(("phrase", "kind", "words"), FAILURES)
async def test_what_a_specialist_raises(
    dispatcher: Dispatcher, store: ImageStore, photo: Pixels, phrase: str, kind: type, words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        await dispatcher.dispatch(Detect(phrase=phrase), store.put(photo))
    assert type(caught.value) is kind
    after = await dispatcher.dispatch(Detect(phrase="fine"), store.put(photo))
    assert isinstance(after, Detected)


async def test_a_bad_request_does_not_spoil_its_neighbours(
    dispatcher: Dispatcher, store: ImageStore, photo: Pixels
) -> None:
    image = store.put(photo)
    phrases = ["one", "foreign", "two", "told", "three"]
    asked = (dispatcher.dispatch(Detect(phrase=phrase), image) for phrase in phrases)
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(one, Detected) for one in found] == [True, False, True, False, True]


async def test_a_specialist_that_cannot_be_loaded_is_for_the_user(
    dispatcher: Dispatcher, store: ImageStore, photo: Pixels
) -> None:
    with pytest.raises(SetupError, match=r"reader cannot be loaded.*OSError: reader has no disk"):
        await dispatcher.dispatch(Read(), store.put(photo))


async def test_a_specialist_that_the_profile_lacks_is_for_the_model(
    dispatcher: Dispatcher, store: ImageStore, photo: Pixels
) -> None:
    with pytest.raises(SpecialistError, match="this profile has none; it has detector, encoder"):
        await dispatcher.dispatch(Depth(), store.put(photo))


async def test_an_unknown_image_is_said(dispatcher: Dispatcher) -> None:
    with pytest.raises(SpecialistError, match="not in the store"):
        await dispatcher.dispatch(Detect(phrase="x"), "0" * 64)


async def test_without_an_encoder_pictures_have_no_tokens(
    open_dispatcher: Callable[[Crew], Dispatcher], stand_ins: Crew, store: ImageStore, photo: Pixels,
    segment: Segment, mark_on: MarkOn,
) -> None:  # fmt: skip
    blind = {name: stand_ins[name] for name in ("segmenter",)}
    dispatcher, image = open_dispatcher(blind), store.put(photo)
    seen = await dispatcher.dispatch(segment, image, [mark_on(image)])
    assert isinstance(seen, Segmented)
    assert [view.tokens for view in seen.views] == [None, None]
    region = Look(target=Region(x0=0, y0=0, x1=1, y1=1))
    looked = await dispatcher.dispatch(region, image, [mark_on(image, (10, 10, 50, 50))])
    assert isinstance(looked, Looked)
    assert looked.views[0].tokens is None
    assert looked.views[0].pixels.xyxy == (10, 10, 50, 50)


async def test_closing_twice_is_fine(dispatcher: Dispatcher) -> None:
    await dispatcher.close()
    await dispatcher.close()


@pytest.mark.slow
async def test_the_real_specialists_answer_alike_on_every_carrier(
    open_dispatcher: Callable[[Crew], Dispatcher], store: ImageStore, photo: Pixels, mark_on: MarkOn,
    tiny_weights: Path, segment: Segment,
) -> None:  # fmt: skip
    crew = {
        k: v for k, v in embedded(tiny_weights).items() if k in {"detector", "depth", "segmenter"}
    }
    dispatcher, image = open_dispatcher(crew), store.put(photo)
    inline = InlineDispatcher(store, crew)
    asked: list[tuple[Detect | Segment | Depth, list[Mark]]] = [
        (Detect(phrase="things"), []),
        (segment, [mark_on(image)]),
        (Depth(targets=(Object(index=1),)), [mark_on(image)]),
    ]
    for action, marks in asked:
        one = await dispatcher.dispatch(action, image, marks)
        assert one == await inline.dispatch(action, image, marks)
    await inline.close()


async def test_leaving_passes_through(store: ImageStore, photo: Pixels, stand_ins: Crew) -> None:
    dispatcher = InlineDispatcher(store, stand_ins)
    with pytest.raises(SystemExit):
        await dispatcher.dispatch(Detect(phrase="exit"), store.put(photo))
    await dispatcher.close()


async def test_only_what_is_used_is_loaded(
    store: ImageStore, photo: Pixels, stand_ins: Crew
) -> None:
    made: list[str] = []

    def watched(name: str) -> object:
        made.append(name)
        return stand_ins[name]()

    crew = {name: partial(watched, name) for name in ("detector", "segmenter", "encoder")}
    dispatcher = InlineDispatcher(store, crew)  # type: ignore[arg-type]
    image = store.put(photo)
    for _ in range(2):
        await dispatcher.dispatch(Detect(phrase="x"), image)
    assert made == ["detector"]
    await dispatcher.close()


def test_answers_keep_the_order_of_the_batch(stand_ins: Crew) -> None:
    assert answers("detector", stand_ins["detector"](), []) == []


def test_an_error_without_words_is_named() -> None:
    assert described(ValueError()) == "ValueError"
    assert described(ValueError("a\n  b")) == "ValueError: a b"
