"""Optional libraries: a missing one becomes the command that installs it."""

from collections.abc import Iterator
from contextlib import contextmanager

from foveal.agent.errors import SetupError


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Inside, a library that is not installed raises SetupError naming the extra that brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "foveal":
            raise
        problem = f"{error.name} is not installed"
        raise SetupError(problem, f"pip install 'foveal[{extra}]'") from error
