"""The tree of errors is the one drawn, and every one of them arrives from another process."""

import pickle
import re

import pytest

from foveal.agent import errors
from foveal.agent.errors import ActionError, FovealError, InputError, SetupError, SpecialistError
from foveal.graphs.approval import ApprovalNeeded

EXAMPLES = [
    FovealError("x"),
    ActionError("look takes one region"),
    SpecialistError("detector", "out of memory"),
    InputError("no such file"),
    SetupError("weights are missing", "reinstall foveal"),
]


def test_the_drawing_is_the_tree() -> None:
    assert issubclass(ApprovalNeeded, FovealError)  # it lives where runs wait
    drawn = re.findall(r"^ {4}(?:[├└]── )?(\w+)\b", errors.__doc__ or "", re.MULTILINE)
    assert drawn[0] == "FovealError"
    assert drawn[1:] == [error.__name__ for error in FovealError.__subclasses__()]
    assert not any(error.__subclasses__() for error in FovealError.__subclasses__())


def test_every_class_has_an_example_here() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert {type(example) for example in EXAMPLES} == set(classes)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_errors_survive_pickling(error: FovealError, protocol: int) -> None:
    copy = pickle.loads(pickle.dumps(error, protocol))
    assert type(copy) is type(error)
    assert (str(copy), vars(copy), copy.args) == (str(error), vars(error), error.args)


def test_messages_are_one_line_with_the_cure() -> None:
    assert str(EXAMPLES[2]) == "detector failed: out of memory"
    assert str(EXAMPLES[4]) == "weights are missing; reinstall foveal"
