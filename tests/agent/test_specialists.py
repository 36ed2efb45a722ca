"""Who chooses a specialist of another package: an option, else the profile, else the settings."""

from pathlib import Path

import pytest

from foveal.agent.choosing import choose
from foveal.agent.errors import InputError
from foveal.agent.profiles import load, with_specialists
from foveal.agent.specialists import Chosen, chosen


def named(*pairs: str) -> dict[str, str]:
    """What an option chooses, by place."""
    return {place: one.use for place, one in chosen(pairs).items()}


def test_pairs_name_a_place_and_a_specialist() -> None:
    assert named("detector=mine", " reader = pkg:ours ") == {
        "detector": "mine", "reader": "pkg:ours",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        ("detector", "is not like detector=NAME"),
        ("detector=", "is not like detector=NAME"),
        ("encoder=mine", "no place 'encoder'; known: detector, segmenter, depth, reader"),
    ],
)
def test_a_pair_that_cannot_be_used_is_shown(pair: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        chosen([pair])
    assert repr(pair) in str(caught.value)
    assert reason in str(caught.value)


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """A profile that chooses a detector with an option, and a reader."""
    path = tmp_path / "mine.toml"
    text = '[specialists]\nreader = "ours"\n[specialists.detector]\nuse = "mine"\nratio = 0.5\n'
    path.write_text(text, encoding="utf-8")
    return path


def test_a_profile_chooses_with_or_without_options(profile: Path) -> None:
    found = load(profile).specialists
    assert {place: (one.use, one.options) for place, one in found.items()} == {
        "reader": ("ours", {}), "detector": ("mine", {"ratio": 0.5}),
    }  # fmt: skip
    again = type(load(profile)).model_validate(load(profile).model_dump(mode="json"))
    assert again.specialists == found


@pytest.mark.parametrize(
    "text", ["encoder = 'mine'", "detector = ''", "detector = {}", "reader = 1"]
)
def test_a_profile_that_chooses_nothing_sensible_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"[specialists]\n{text}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"mine\.toml', specialists\."):
        load(path)


def test_an_option_wins_over_the_profile_and_the_profile_over_the_settings(
    profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEAL_SPECIALISTS", "detector=theirs, depth=theirs")
    assert load("embedded").specialists == {
        "detector": Chosen(use="theirs"), "depth": Chosen(use="theirs"),
    }  # fmt: skip
    assert set(load(profile).specialists) == {"reader", "detector"}
    assert load(profile).specialists["detector"].use == "mine"
    found = choose(str(profile), specialists=["detector=typed"]).specialists
    assert {place: one.use for place, one in found.items()} == {
        "reader": "ours",
        "detector": "typed",
    }


def test_a_model_that_never_asks_it_needs_none() -> None:
    with pytest.raises(InputError, match="asks no detector; its tools are: look, reencode"):
        with_specialists(load("vpt-2b-clip"), ["detector=mine"])


def test_settings_that_cannot_be_used_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEAL_SPECIALISTS", "mine")
    with pytest.raises(InputError, match="specialist 'mine' is not like detector=NAME"):
        load("embedded")
