"""What may be taken away, and from whom."""

from pathlib import Path

import pytest

from foveal.agent.errors import InputError
from foveal.agent.native.control import Control
from foveal.agent.profiles import Profile
from foveal.evals.ablation import KNOWN, Ablation

PAPER = Profile(name="paper", weights=Path(), tools=("look", "reencode"), dialect="vpt")
PLAIN = Profile(name="plain", weights=Path(), tools=("look",))


def test_without_a_word_nothing_is_taken_away() -> None:
    for nothing in (None, ""):
        assert Ablation.parsed(nothing) == Ablation()
    assert Ablation().control(PLAIN) is None
    assert str(Ablation()) == ""


@pytest.mark.parametrize("part", [f"{n}={v}" for n, values in KNOWN.items() for v in values])
def test_every_known_one_is_written_as_it_is_read(part: str) -> None:
    assert str(Ablation.parsed(part)) == part


def test_several_at_once() -> None:
    assert Ablation.parsed("oracle") == Ablation(observation="oracle")
    made = Ablation.parsed("c=zero, h=other")
    assert made.control(PAPER) == Control(h="other", c="zero")


@pytest.mark.parametrize("wrong", ["h", "h=", "h=own", "x=zero", "h=zero,,", "c=zero,c=zero"])
def test_anything_else_is_refused_by_name(wrong: str) -> None:
    with pytest.raises(InputError, match=r"known: |twice"):
        Ablation.parsed(wrong)


def test_a_model_that_does_not_re_encode_has_nothing_to_take() -> None:
    with pytest.raises(InputError, match="'plain' does not re-encode"):
        Ablation.parsed("h=zero").control(PLAIN)
