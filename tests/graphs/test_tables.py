"""Questions in Parquet files and in datasets, with images inside or beside them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from foveal.agent.errors import InputError
from foveal.graphs.questionnaire import Questionnaire
from foveal.graphs.sheet import opened

datasets = pytest.importorskip("datasets")


@pytest.fixture
def png(tmp_path: Path) -> bytes:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    return (tmp_path / "red.png").read_bytes()


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[], Path]:
    """A dataset on disk, whose images are decoded when they are looked at."""

    def save() -> Path:
        images = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
        features = datasets.Features(
            {
                "image": datasets.Image(),
                "question": datasets.Value("string"),
                "n": datasets.Value("int64"),
            }
        )
        columns = {"image": images, "question": ["a?", "b?"], "n": [1, 2]}
        datasets.Dataset.from_dict(columns, features).save_to_disk(tmp_path / "saved")
        return tmp_path / "saved"

    return save


def items(path: Path) -> list[Any]:
    return list(Questionnaire(opened(str(path))))


def test_parquet_with_images_inside(tmp_path: Path, png: bytes) -> None:
    rows = [
        {"image": {"bytes": png, "path": f"{n}.png"}, "question": f"{n}?", "n": n}
        for n in range(40)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "q.parquet")
    found = items(tmp_path / "q.parquet")
    assert [item.row for item in found] == list(range(1, 41))
    assert (found[-1].image, found[-1].reference, found[-1].carried) == (png, "39.png", {"n": 39})


def test_parquet_with_paths(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"image": ["a.png"], "question": ["?"]}), tmp_path / "q"
    )  # by content, not by name
    assert items(tmp_path / "q")[0].image == tmp_path / "a.png"


def test_parquet_in_several_files(tmp_path: Path) -> None:
    for n in (2, 1):
        table = pa.table({"image": ["a.png"], "question": [f"{n}?"]})
        pq.write_table(table, tmp_path / f"part-{n}.parquet")
    assert [(item.row, item.question) for item in items(tmp_path)] == [(1, "1?"), (2, "2?")]


def test_a_row_is_named_when_it_is_wrong(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": ["a", None], "question": ["?", "?"]}), tmp_path / "q")
    with pytest.raises(InputError, match=r"q row 2: image is None: expected a path"):
        items(tmp_path / "q")


def test_damaged_parquet(tmp_path: Path) -> None:
    (tmp_path / "q").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match="is no intact Parquet file"):
        opened(str(tmp_path / "q"))


def test_a_saved_dataset(saved: Callable[[], Path]) -> None:
    first, second = items(saved())
    assert isinstance(first.image, bytes)
    assert first.image.startswith(b"\x89PNG")
    assert (second.question, second.carried, second.row) == ("b?", {"n": 2}, 2)
    assert first.id != second.id


def test_a_dataset_with_splits_asks_for_one(saved: Callable[[], Path], tmp_path: Path) -> None:
    whole = datasets.load_from_disk(saved())
    datasets.DatasetDict({"train": whole, "test": whole}).save_to_disk(tmp_path / "both")
    with pytest.raises(InputError, match=r"several splits; give one: .*both/test, .*both/train"):
        opened(str(tmp_path / "both"))
    assert len(items(tmp_path / "both" / "test")) == 2


def test_a_damaged_dataset(saved: Callable[[], Path]) -> None:
    folder = saved()
    (folder / "state.json").write_text("{}")
    with pytest.raises(InputError, match="is no intact dataset"):
        opened(str(folder))


def test_the_hub_cannot_be_reached() -> None:
    with pytest.raises(InputError, match="no dataset 'nobody/nothing:test' on Hugging Face: "):
        opened("hf:nobody/nothing:test")
