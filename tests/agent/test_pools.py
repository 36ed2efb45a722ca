"""Pools as flags and profiles declare them."""

from pathlib import Path

import pytest

from foveal.agent.errors import InputError
from foveal.agent.pools import SPECIALISTS, Pool, merged, parsed
from foveal.agent.profiles import load


def test_flags_set_what_they_name() -> None:
    pools = parsed(["detector.replicas=2", "detector.num_gpus=0.5", "reader.placement=spread"])
    assert pools["detector"] == Pool(replicas=2, num_gpus=0.5)
    assert pools["reader"].placement == "spread"
    assert pools["detector"].model_fields_set == {"replicas", "num_gpus"}


BAD = [
    ("replicas=2", "is not like detector.replicas=2"),
    ("detector.replicas", "is not like detector.replicas=2"),
    ("dog.replicas=2", "no specialist 'dog'; known: encoder, detector, segmenter, depth, reader"),
    ("detector.size=2", "a pool has no 'size'; it has: replicas, num_cpus"),
    ("detector.replicas=0", "'detector.replicas=0' cannot be used: Input should be greater"),
    ("detector.replicas=many", "'detector.replicas=many' cannot be used"),
    ("detector.num_gpus=1.5", "a share of one GPU, or a whole number of them"),
    ("detector.memory_fraction=2", "less than or equal to 1"),
    ("detector.placement=best", "'default', 'spread' or 'pack'"),
]


@pytest.mark.parametrize(("flag", "words"), BAD)
def test_a_flag_that_cannot_be_used_is_named(flag: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parsed([flag])
    assert words in str(caught.value)


def test_what_flags_set_wins_and_the_rest_stays() -> None:
    declared = {"detector": Pool(replicas=3, max_batch=4), "depth": Pool(num_cpus=2)}
    both = merged(declared, parsed(["detector.replicas=1", "reader.max_queue=5"]))
    assert both == {
        "detector": Pool(replicas=1, max_batch=4),
        "depth": Pool(num_cpus=2),
        "reader": Pool(max_queue=5),
    }
    assert declared["detector"].replicas == 3


def _profile(folder: Path, text: str) -> Path:
    path = folder / "team.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_profile_declares_pools(tmp_path: Path) -> None:
    path = _profile(tmp_path, "[pools.detector]\nreplicas = 2\nnum_gpus = 0.5\nmax_restarts = -1\n")
    assert load(path).pools == {"detector": Pool(replicas=2, num_gpus=0.5, max_restarts=-1)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[pools.dog]\nreplicas = 2\n", "no specialist 'dog'; known: encoder"),
        ("[pools.detector]\nreplicas = 0\n", "pools.detector.replicas: Input should be greater"),
        ("[pools.detector]\nsize = 1\n", "pools.detector.size: Extra inputs"),
    ],
)
def test_a_profile_with_impossible_pools_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        load(_profile(tmp_path, text))
    assert words in str(caught.value)


def test_the_default_is_one_small_replica() -> None:
    pool = Pool()
    assert (pool.replicas, pool.num_gpus, pool.deadline) == (1, 0.0, None)
    assert len(set(SPECIALISTS)) == 5
