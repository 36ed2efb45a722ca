"""Six rendered scenes and networks small enough to train for a handful of steps."""

from pathlib import Path

import pytest

from foveal.training import scenes


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one shard of six scenes: one of every size."""
    folder = tmp_path_factory.mktemp("scenes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenes, "SHARD", 6)
        scenes.build(folder, 6)
    return folder
