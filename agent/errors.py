"""What can go wrong, and who is told.

    FovealError
    ├── ActionError        the model asked for something malformed: it is told and may try again
    ├── SpecialistError    a specialist could not answer: the model is told, nothing is retried
    ├── InputError         the user gave something unusable: one line on stderr, exit code 2
    ├── SetupError         something is not installed or not intact: one line with the cure, exit code 2
    └── ApprovalNeeded     nothing is wrong: a run waits for a person, exit code 3 (`graphs/approval.py`)

Everything else is a bug and propagates. All survive pickling, because they cross process boundaries.
"""


class FovealError(Exception):
    """The root of everything this project raises on purpose."""


class ActionError(FovealError):
    """The model wrote an action that cannot be carried out. `str()` of it is shown to the model."""


class SpecialistError(FovealError):
    """A specialist failed on one request."""

    def __init__(self, specialist: str, reason: str) -> None:
        super().__init__(specialist, reason)
        self.specialist = specialist
        """The specialist's name, as in the profile."""
        self.reason = reason
        """Why, in words the model may be shown."""

    def __str__(self) -> str:
        return f"{self.specialist} failed: {self.reason}"


class InputError(FovealError):
    """The user's image, question or option cannot be used; the message says what would be."""


class SetupError(FovealError):
    """Something is missing or damaged on this machine."""

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(problem, cure)
        self.problem = problem
        """What is wrong."""
        self.cure = cure
        """The command or step that mends it."""

    def __str__(self) -> str:
        return f"{self.problem}; {self.cure}"
