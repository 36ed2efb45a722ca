"""Which specialists a profile gets, where they compute, and with whom they are shared."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foveal.agent.pools import Pool
from foveal.agent.profiles import Profile, load, with_specialists
from foveal.agent.specialists import Chosen
from foveal.graphs.agent import Agent
from foveal.graphs.carriers import carrier, crew, digest, identities
from foveal.tools.dispatch import InlineDispatcher
from foveal.tools.external import make
from foveal.tools.ray_dispatch import RayDispatcher
from foveal.tools.store import ImageStore


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    (tmp_path / "config.json").write_text('{"model_type": "qwen2_vl"}', encoding="utf-8")
    (tmp_path / "detector.safetensors").write_bytes(b"weights")
    return Profile(name="team", weights=tmp_path, drawn=("depth",))


def devices(made: Any) -> dict[str, object]:
    """Where each specialist with a device computes."""
    return {name: part.args[1] for name, part in made.items() if getattr(part, "args", ())}


def test_those_that_reserve_a_gpu_compute_on_it(profile: Profile) -> None:
    pools = {"encoder": Pool(num_gpus=0.5), "depth": Pool(num_cpus=2)}
    here = dict.fromkeys(("detector", "segmenter", "depth", "encoder"), "cpu")
    assert devices(crew(profile, pools)) == here | {"encoder": "cuda"}
    assert devices(crew(profile, {})) == here


def test_a_model_from_elsewhere_needs_a_folder_of_specialists_alone(profile: Profile) -> None:
    (profile.folder / "config.json").unlink()
    for backend, model in (("chat", str(profile.folder)), ("openai", "")):
        elsewhere = profile.model_copy(update={"backend": backend, "model": model})
        assert set(crew(elsewhere, {})) == {"detector", "segmenter", "depth", "reader"}


def test_the_carrier_follows_what_was_asked_for(profile: Profile) -> None:
    store, pools = ImageStore(), {"encoder": Pool(replicas=2)}
    assert isinstance(carrier(profile, store, None, pools), InlineDispatcher)
    own, shared = carrier(profile, store, True, pools), carrier(profile, store, "auto", pools)
    assert isinstance(own, RayDispatcher)
    assert isinstance(shared, RayDispatcher)
    assert (own._address, own._shared, own._sizes) == (None, None, pools)
    assert (shared._address, shared._shared) == ("auto", ("team", digest(profile)))


def test_only_the_same_weights_have_the_same_digest(profile: Profile) -> None:
    first = digest(profile)
    assert digest(profile.model_copy(update={"device": "cuda", "name": "other"})) == first
    assert digest(profile.model_copy(update={"drawn": ()})) != first
    (profile.folder / "detector.safetensors").write_bytes(b"heavier")
    assert digest(profile) != first


def test_the_agents_pools_win_over_the_profiles(tmp_path: Path) -> None:
    path = tmp_path / "team.toml"
    path.write_text("[pools.detector]\nreplicas = 2\nmax_batch = 4\n", encoding="utf-8")
    with Agent(load(path), ray="auto", pools={"detector": Pool(replicas=3)}) as agent:
        assert agent._pools == {"detector": Pool(replicas=3, max_batch=4)}


def test_other_specialists_are_made_and_told_apart(
    profile: Profile, offer: Callable[..., None]
) -> None:
    offer("pkg", "mine", "Made = None")
    mine = with_specialists(profile, ["detector=mine"])
    made: Any = crew(mine, {"detector": Pool(num_gpus=1)})["detector"]
    assert made.func is make
    assert made.args[:3] == ("detector", Chosen(use="mine"), "cuda")
    assert crew(mine, {})["reader"] == crew(profile, {})["reader"]
    assert identities(profile) == {}
    assert identities(mine)["detector"].startswith("pkg 1.0 ")
    first = digest(mine)
    assert first != digest(profile)
    offer("pkg", "mine", "Made = None", "1.1")
    assert digest(mine) != first


def test_what_a_model_never_asks_is_not_looked_for(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEAL_SPECIALISTS", "detector=nowhere")
    looking = Profile(name="team", weights=profile.folder, tools=("look",))
    assert crew(looking, {}).keys() == crew(profile, {}).keys()
    assert identities(looking) == {}
