"""A random model that takes a moment to make."""

import pytest

from foveal.agent.native.model import NativeModel
from foveal.evals.bench.models import TINY, random_model


@pytest.fixture
def model() -> NativeModel:
    return random_model(TINY, (1, 8, 8))
