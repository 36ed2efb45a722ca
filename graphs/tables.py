"""Questions in Parquet files and Hugging Face datasets, a few rows in memory at a time."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from foveal.agent.errors import InputError
from foveal.graphs.sheet import Row
from foveal.tools.extras import needs

ROWS = 16
"""Read at once: rows may hold whole images."""
QUIET = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_UPDATE_DOWNLOAD_COUNTS": "0"}


@dataclass
class Parquet:
    """The rows of one or more files with the same columns."""

    name: str
    base: Path
    files: tuple[Path, ...]
    unit: str = field(default="row", init=False)

    def rows(self) -> Iterator[Row]:
        """Every row of every file, counted through."""
        from pyarrow.parquet import ParquetFile

        number = 0
        for path in self.files:
            with ParquetFile(path) as file:
                for batch in file.iter_batches(ROWS):
                    for values in batch.to_pylist():
                        number += 1
                        yield Row(number, values)


@dataclass
class Dataset:
    """The rows of one split of a Hugging Face dataset, images still encoded."""

    name: str
    base: Path
    dataset: Any
    unit: str = field(default="row", init=False)

    def rows(self) -> Iterator[Row]:
        """Every row."""
        for number, values in enumerate(self.dataset, start=1):
            yield Row(number, values)


def parquet(*files: Path) -> Parquet:
    """The sheet in these files. Raises InputError when one is no Parquet file."""
    with needs("batch"):
        from pyarrow import ArrowException
        from pyarrow.parquet import read_schema
    for path in files:
        try:
            read_schema(path)
        except (ArrowException, OSError) as error:
            raise InputError(f"{str(path)!r} is no intact Parquet file: {_first(error)}") from None
    return Parquet(str(files[0]), files[0].resolve().parent, files)


def folder(path: Path) -> Parquet | Dataset:
    """The sheet in a folder: a dataset as `save_to_disk` leaves it, or Parquet files."""
    if (path / "dataset_dict.json").exists():
        splits = sorted(f"{path / child.name}" for child in path.iterdir() if child.is_dir())
        raise InputError(f"{str(path)!r} has several splits; give one: {', '.join(splits)}")
    if (path / "dataset_info.json").exists():
        return _saved(path)
    files = sorted(path.glob("*.parquet"))
    if not files:
        raise InputError(f"{str(path)!r} holds neither a saved dataset nor Parquet files")
    return parquet(*files)


def _saved(path: Path) -> Dataset:
    with needs("batch"):
        from datasets import load_from_disk
    try:
        dataset = load_from_disk(path)
    except (OSError, ValueError, LookupError) as error:
        raise InputError(f"{str(path)!r} is no intact dataset: {_first(error)}") from None
    return Dataset(str(path), path.resolve(), _encoded(dataset))


def hub(name: str) -> Dataset:
    """The sheet that Hugging Face serves as `NAME`, `NAME:SPLIT` or `NAME:CONFIG:SPLIT`."""
    for variable, value in QUIET.items():
        os.environ.setdefault(variable, value)
    with needs("batch"):
        from datasets import DatasetDict, load_dataset
    dataset_name, *rest = name.split(":")
    split = rest[-1] if rest else None
    try:
        found = load_dataset(dataset_name, rest[0] if len(rest) > 1 else None, split=split)
    except (OSError, ValueError) as error:  # datasets derives its errors from these two
        raise InputError(f"no dataset {name!r} on Hugging Face: {_first(error)}") from None
    if isinstance(found, DatasetDict):
        if len(found) > 1:
            raise InputError(f"hf:{name} has several splits; give one: {', '.join(found)}")
        found = next(iter(found.values()))
    return Dataset(f"hf:{name}", Path.cwd(), _encoded(found))


def _encoded(dataset: Any) -> Any:
    """The dataset with its images left as they are stored: the agent decodes, within its own limits."""
    from datasets import Image

    for column, feature in dataset.features.items():
        if isinstance(feature, Image):
            dataset = dataset.cast_column(column, Image(decode=False))
    return dataset.with_format(None)


def _first(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
