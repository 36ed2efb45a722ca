"""Specialists of other packages: found without an import, made once chosen, and told apart by all that counts."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from foveal.agent.actions import Detect, Read
from foveal.agent.errors import SetupError, SpecialistError
from foveal.agent.observations import Detected
from foveal.agent.pools import Pool
from foveal.agent.specialists import Chosen
from foveal.tools.base import Request
from foveal.tools.dispatch import InlineDispatcher
from foveal.tools.external import factory, identity, make, offers
from foveal.tools.store import ImageStore
from foveal.tools.worker import Worker

Offer = Callable[..., None]
GOOD = """
from foveal.tools.cache import ByteLRU
from foveal.agent.observations import Box, Detected, Found
from foveal.tools.base import Reply

class Made:
    answers = ("detect",)

    def __init__(self, device, **options):
        self.device, self.options, self.batches = device, options, []
        self.seen = ByteLRU(100)

    def warm_up(self):
        self.warm = True

    def run(self, batch):
        self.batches.append(len(batch))
        self.seen.put("image", batch, 50)
        return [self.reply(request) for request in batch]

    def reply(self, request):
        box = Box(image=request.image, xyxy=(1, 2, 3, 4))
        label = f"{self.device} {self.options} {max(self.batches)}"
        found = Found(label=label, box=box, score=0.5)
        return Reply(Detected(phrase=request.action.phrase, objects=(found,)))
"""


def chosen(use: str, **options: object) -> Chosen:
    return Chosen.model_validate({"use": use, **options})


def made(use: str, **options: object) -> Any:
    return factory("detector", chosen(use, **options), "cpu", False)()


def test_offers_are_listed_and_nothing_is_imported(offer: Offer) -> None:
    before = set(sys.modules)
    offer("b", "mine", "raise RuntimeError")
    offer("a", "mine", "raise RuntimeError")
    offer("c", "other", "raise RuntimeError")
    assert [(one.name, one.package, one.version) for one in offers()] == [
        ("mine", "a", "1.0"), ("mine", "b", "1.0"), ("other", "c", "1.0"),
    ]  # fmt: skip
    identity(chosen("other"))
    assert not [name for name in set(sys.modules) - before if name.startswith("offered_by_")]


def test_it_answers_inline_with_its_options(
    offer: Offer, store: ImageStore, photo: NDArray[np.uint8]
) -> None:
    offer("pkg", "mine", GOOD)
    crew = {"detector": factory("detector", chosen("mine", ratio=2), "cuda:1", False)}

    async def ask() -> Any:
        dispatcher = InlineDispatcher(store, crew)
        seen = await dispatcher.dispatch(Detect(phrase="cup"), store.put(photo))
        await dispatcher.close()
        return seen

    seen = asyncio.run(ask())
    assert isinstance(seen, Detected)
    assert seen.objects[0].label == "cuda:1 {'ratio': 2} 1"


def test_a_worker_warms_it_up_and_gives_it_batches(offer: Offer, photo: NDArray[np.uint8]) -> None:
    offer("pkg", "mine", GOOD)

    async def ask() -> list[Any]:
        worker = Worker("detector", factory("detector", chosen("mine"), "cpu", False), Pool())
        asked = [worker.run(Detect(phrase="cup"), "image", (), photo) for _ in range(3)]
        replies: list[Any] = await asyncio.gather(*asked)
        assert (await worker.stats()).cached_bytes == 50
        return [reply.observation.objects[0].label for reply in replies]

    assert asyncio.run(ask()) == ["cpu {} 3"] * 3


def test_which_of_two_packages_is_meant_must_be_said(offer: Offer) -> None:
    offer("a", "mine", GOOD)
    offer("b", "mine", GOOD, "2.0")
    with pytest.raises(SetupError, match=r"by a 1\.0 and by b 2\.0; say whose is meant: a:mine"):
        made("mine")
    assert identity(chosen("a:mine")).startswith("a 1.0 ")
    assert identity(chosen("b:mine")).startswith("b 2.0 ")


BROKEN = {
    "import": ("import nowhere_at_all", "cannot be imported (ModuleNotFoundError: No module named"),
    "no such name": ("Other = 1", "cannot be imported (AttributeError"),
    "making": (
        "class Made:\n    def __init__(self, device): raise OSError('no weights')",
        "cannot be made (OSError: no weights)",
    ),
    "options": ("class Made:\n    def __init__(self): pass", "cannot be made (TypeError"),
    "no specialist": ("def Made(device): return {}", "its dict has no warm_up()"),
    "says nothing": (
        GOOD.replace('("detect",)', "()"),
        "it declares to answer nothing, not 'detect'",
    ),
    "another action": (
        GOOD.replace('("detect",)', '("read",)'),
        "it declares to answer ('read',), not 'detect'",
    ),
    "one word": (GOOD.replace('("detect",)', '"detect"'), "it declares to answer 'detect', not"),
}


@pytest.mark.parametrize(("code", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_what_cannot_be_used_names_the_package_and_the_cure(
    code: str, reason: str, offer: Offer
) -> None:
    offer("pkg", "mine", code, "0.3")
    with pytest.raises(SetupError) as caught:
        made("mine")
    assert "specialist 'mine' of pkg 0.3" in str(caught.value)
    assert reason in str(caught.value)
    assert caught.value.cure.endswith("or choose another in the profile's [specialists]")


def test_an_unknown_name_lists_what_there_is(offer: Offer) -> None:
    offer("pkg", "mine", GOOD)
    with pytest.raises(
        SetupError, match=r"offers a specialist 'yours'; offered: mine \(pkg 1\.0\)"
    ):
        made("yours")


def test_everything_that_decides_the_answers_is_told_apart(offer: Offer) -> None:
    seen = set()
    for code, version, options in (
        (GOOD, "1.0", {}),
        (GOOD, "1.1", {}),
        (GOOD + "# changed", "1.1", {}),
        (GOOD + "# changed", "1.1", {"ratio": 2}),
    ):
        offer("pkg", "mine", code, version)
        seen.add(identity(chosen("mine", **options)))
        assert identity(chosen("mine", **options)) in seen
    assert len(seen) == 4


def test_what_pip_noted_counts_unless_the_sources_may_change_without_it(
    offer: Offer, tmp_path: Path
) -> None:
    offer("pkg", "mine", GOOD)
    info = tmp_path / "site" / "pkg-1.dist-info"

    def noted(rows: str) -> str:
        (info / "RECORD").write_text(rows, encoding="utf-8")
        return identity(chosen("mine"))

    first = noted("a.py,sha256=1,9\npkg-1.dist-info/METADATA,sha256=1,9\na.pyc,,\n")
    assert noted("a.py,sha256=1,9\npkg-1.dist-info/METADATA,sha256=2,9\n") == first
    assert noted("weights.bin,sha256=3,9\na.py,sha256=1,9\n") != first
    (info / "direct_url.json").write_text('{"dir_info": {"editable": true}}', encoding="utf-8")
    linked = noted("link.pth,sha256=1,9\n")
    offer("pkg", "mine", GOOD + "# changed")
    assert identity(chosen("mine")) != linked


def test_a_node_with_another_version_refuses(offer: Offer) -> None:
    offer("pkg", "mine", GOOD, "1.0")
    expected = identity(chosen("mine"))
    offer("pkg", "mine", GOOD, "1.1")
    with pytest.raises(SetupError, match=r"another pkg than the driver, which asked for pkg 1\.0"):
        make("detector", chosen("mine"), "cpu", False, expected)


def test_its_own_failures_cost_one_request_and_name_it(
    offer: Offer, photo: NDArray[np.uint8]
) -> None:
    offer("pkg", "mine", GOOD)
    with pytest.raises(SpecialistError, match=r"detector failed: pkg 1\.0: AttributeError"):
        made("mine").run([Request(Read(), "image", photo)])
