"""Errors in the shape that OpenAI's clients turn into exceptions: {"error": {message, type, param, code}}."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from starlette.responses import JSONResponse

from foveal.agent.errors import FovealError, InputError, SetupError


class Refusal(Exception):
    """A request that is not answered, and what its sender is told."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        """What is sent."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": error}

    def response(self) -> JSONResponse:
        """The whole answer, where nothing of it has been sent yet."""
        return JSONResponse(self.body, self.status, self.headers)


def of_error(error: FovealError) -> Refusal:
    """What a client is told of one of ours. What is wrong with this machine is for its owner, in the log."""
    if isinstance(error, InputError):
        return Refusal(400, str(error), code="invalid_value", param="messages")
    if isinstance(error, SetupError):
        return Refusal(503, "the server is not set up to answer; its log says why", code="setup")
    return Refusal(500, str(error), code="failed")


def broken() -> Refusal:
    """What a client is told of a bug."""
    return Refusal(500, "the server met an error that nobody expected; its log has it", code="bug")


def of_validation(error: ValidationError) -> Refusal:
    """The first thing that is wrong with a body, without the value: it may be a picture."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = _named(first["loc"])
    if first["type"] == "extra_forbidden":
        return Refusal(400, f"unknown parameter: {where}", code="unknown_parameter", param=where)
    if first["type"] == "json_invalid":
        return Refusal(400, f"the body is not JSON: {first['msg']}", code="invalid_json")
    code = "missing_required_parameter" if first["type"] == "missing" else "invalid_value"
    message = first["msg"].removeprefix("Value error, ")
    return Refusal(400, f"{where or 'the body'}: {message}", code=code, param=where or None)


def _named(place: tuple[int | str, ...]) -> str:
    """A place in the body as a client writes it, without the kinds that we tell messages and parts apart by."""
    name = ""
    for before, step in zip((None, *place), place, strict=False):
        if isinstance(step, int):
            name += f"[{step}]"
        elif not isinstance(before, int) and before != "response_format":
            name += f".{step}" if name else step
    return name
