"""What is tampered with changes, and nothing else."""

from collections.abc import Sequence

import numpy as np
import pytest

from foveal.agent.actions import Detect, Look, Object, Perception, Region
from foveal.agent.errors import SpecialistError
from foveal.agent.observations import Box, Detected, Looked, Observation, View, VisualTokens
from foveal.evals.interference import Interference
from foveal.tools.base import Mark
from foveal.tools.store import ImageStore


class Seeing:
    """Says which image it was asked about, and shows looks as tokens."""

    def __init__(self, store: ImageStore) -> None:
        self.store = store
        self.asked: list[tuple[Perception, tuple[Mark, ...]]] = []
        self.closed = False

    async def dispatch(
        self, action: Perception, image: str, marks: Sequence[Mark] = ()
    ) -> Observation:
        self.asked.append((action, tuple(marks)))
        if isinstance(action, Detect):
            return Detected(phrase=image[:4])
        box = marks[0].box if marks else Box(image=image, xyxy=(0, 0, 8, 8))
        tokens = VisualTokens(key=self.store.put_array(np.ones((4, 3), np.float32)), grid=(1, 4, 4))
        return Looked(views=(View(role="crop", pixels=box, source=box, tokens=tokens),))

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def store() -> ImageStore:
    return ImageStore()


@pytest.fixture
def seeing(store: ImageStore) -> Seeing:
    return Seeing(store)


@pytest.fixture
def images(store: ImageStore) -> list[str]:
    return [store.put(np.full((80, 120, 3), shade, np.uint8)) for shade in (1, 2, 3)]


LOOK = Look(target=Object(index=1))


def mark(image: str) -> Mark:
    return Mark(Box(image=image, xyxy=(10, 20, 40, 50)), 1, "red cube")


async def test_by_default_nothing_changes(
    seeing: Seeing, store: ImageStore, images: list[str]
) -> None:
    between = Interference(seeing, store)
    for action, marks in ((Detect(phrase="cube"), ()), (LOOK, (mark(images[0]),))):
        assert await between.dispatch(action, images[0], marks) == await seeing.dispatch(
            action, images[0], marks
        )
    await between.close()
    assert seeing.closed


async def test_blanked_observations_are_those_of_a_specialist_that_failed(
    seeing: Seeing, store: ImageStore, images: list[str]
) -> None:
    with pytest.raises(SpecialistError, match="nothing came back"):
        await Interference(seeing, store, "blank").dispatch(Detect(phrase="cube"), images[0])
    assert not seeing.asked


async def test_shuffled_observations_are_those_of_the_image_before(
    seeing: Seeing, store: ImageStore, images: list[str]
) -> None:
    between = Interference(seeing, store, "shuffle")
    with pytest.raises(SpecialistError):
        await between.dispatch(Detect(phrase="cube"), images[0])
    for image, before in ((images[1], images[0]), (images[1], images[0]), (images[2], images[1])):
        seen = await between.dispatch(Detect(phrase="cube"), image)
        assert isinstance(seen, Detected)
        assert seen.phrase == before[:4]
    with pytest.raises(SpecialistError):  # the first look of all
        await between.dispatch(LOOK, images[2], (mark(images[2]),))


async def test_what_an_earlier_process_asked_is_recalled(
    seeing: Seeing, store: ImageStore, images: list[str]
) -> None:
    between = Interference(seeing, store, "shuffle")
    between.recall([(Detect(phrase="cube"), images[0], ()), (LOOK, images[1], (mark(images[1]),))])
    assert not seeing.asked
    seen = await between.dispatch(Detect(phrase="cone"), images[2])
    assert isinstance(seen, Detected)
    assert seen.phrase == images[0][:4]
    assert len(seeing.asked) == 3
    looked = await between.dispatch(LOOK, images[2], (mark(images[2]),))
    assert isinstance(looked, Looked)
    assert looked.views[0].source.image == images[1]


async def test_blanked_tokens_are_zeros_in_the_same_words(
    seeing: Seeing, store: ImageStore, images: list[str]
) -> None:
    between = Interference(seeing, store, tokens="blank")
    seen = await between.dispatch(LOOK, images[0], (mark(images[0]),))
    own = await seeing.dispatch(LOOK, images[0], (mark(images[0]),))
    assert isinstance(seen, Looked)
    assert isinstance(own, Looked)
    (view,), (other,) = seen.views, own.views
    assert view.tokens is not None
    assert other.tokens is not None
    assert not store.array(view.tokens.key).any()
    assert store.array(view.tokens.key).shape == store.array(other.tokens.key).shape
    assert view.model_copy(update={"tokens": None}) == other.model_copy(update={"tokens": None})
    assert await between.dispatch(Detect(phrase="cube"), images[0]) == Detected(
        phrase=images[0][:4]
    )


async def test_random_regions_have_the_size_of_those_asked_for(
    seeing: Seeing, store: ImageStore, images: list[str]
) -> None:
    between = Interference(seeing, store, region="random")
    places = set()
    for x in range(5):
        await between.dispatch(Look(target=Region(x0=x, y0=1, x1=x + 2, y1=2)), images[0])
        action, _ = seeing.asked[-1]
        assert isinstance(action, Look)
        assert isinstance(action.target, Region)
        assert (action.target.x1 - action.target.x0, action.target.y1 - action.target.y0) == (2, 1)
        places.add((action.target.x0 - x, action.target.y0))
    assert len(places) > 2
    for image in images:
        await between.dispatch(LOOK, image, (mark(image),))
        x0, y0, x1, y1 = seeing.asked[-1][1][0].box.xyxy
        assert (round(x1 - x0, 6), round(y1 - y0, 6)) == (30, 30)
        assert 0 <= x0 <= x1 <= 120
        assert 0 <= y0 <= y1 <= 80
    await between.dispatch(Detect(phrase="cube"), images[0], (mark(images[0]),))
    assert seeing.asked[-1][1] == (mark(images[0]),)


async def test_the_same_question_goes_to_the_same_random_place(
    seeing: Seeing, store: ImageStore, images: list[str]
) -> None:
    for seed in (0, 0, 1):
        await Interference(seeing, store, region="random", seed=seed).dispatch(
            LOOK, images[0], (mark(images[0]),)
        )
    one, two, other = (marks for _, marks in seeing.asked)
    assert one == two != other
