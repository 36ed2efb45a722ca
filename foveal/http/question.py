"""From what a client sends to what the agent is asked: pictures, words, and what this question may do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from foveal.agent.actions import PERCEPTIONS, PerceptionKind
from foveal.agent.errors import InputError
from foveal.graphs.budgets import Budgets
from foveal.graphs.schema import schema_of
from foveal.http.refusals import Refusal, of_validation
from foveal.http.wire import (
    Answered,
    Asking,
    ChatRequest,
    FittingJson,
    ImagePart,
    Instruction,
    Message,
    said,
)
from foveal.tools.images import several

ANY_OBJECT: Mapping[str, Any] = {"type": "object"}
"""The schema of `response_format` `json_object`."""
SCHEMES = ("data:", "http://", "https://")
"""What an image's URL may begin with: a path would be one on this machine."""


@dataclass(frozen=True)
class Menu:
    """What a server offers."""

    model: str
    """What clients call it: the profile's name."""
    tools: tuple[PerceptionKind, ...] = PERCEPTIONS
    budgets: Budgets = field(default_factory=Budgets)
    """The most that a question may spend."""
    gate: float | None = None


@dataclass(frozen=True)
class Question:
    """What the agent is asked."""

    images: tuple[str, ...]
    """URLs: data:, or http(s)."""
    text: str
    wishes: str
    """What whoever runs the client wants of every answer."""
    earlier: tuple[tuple[str, str], ...]
    """The questions and answers before, the last one last."""
    schema: Mapping[str, Any] | None
    tools: tuple[PerceptionKind, ...]
    budgets: Budgets
    gate: float | None
    verify: bool
    stream: bool = False
    count: bool = False
    """Whether a stream ends with the usage."""


def asked(body: bytes, menu: Menu) -> Question:
    """What a body asks for. Raises Refusal, and InputError, for what cannot be had here."""
    try:
        request = ChatRequest.model_validate_json(body)
    except ValidationError as error:
        raise of_validation(error) from None
    _check_model(request.model, menu)
    last = _last(request.messages)
    earlier, more = _dialogue(request.messages[:-1])
    return Question(
        images=_images(request.messages),
        text="\n".join([*more, said(last.content)]),
        wishes=_wishes(request.messages),
        earlier=earlier,
        schema=_schema(request),
        tools=_tools(request, menu),
        budgets=_budgets(request, menu.budgets),
        gate=menu.gate if request.foveal.gate is None else request.foveal.gate,
        verify=request.foveal.verify,
        stream=bool(request.stream),
        count=bool(request.stream_options and request.stream_options.include_usage),
    )


def no_model(name: str, menu: Menu) -> Refusal:
    """There is no such model."""
    message = f"no model {name[:100]!r}; this server has {menu.model!r}"
    return Refusal(404, message, code="model_not_found", param="model")


def _check_model(name: str, menu: Menu) -> None:
    if name != menu.model:
        raise no_model(name, menu)


def _last(messages: Sequence[Message]) -> Asking:
    last = messages[-1]
    if not isinstance(last, Asking):
        raise _unusable(f"the last message is the {last.role}'s; it must be the user's question")
    if not said(last.content):
        raise _unusable(
            "the question is empty; ask something, e.g. 'How many red cubes are there?'"
        )
    return last


def _images(messages: Sequence[Message]) -> tuple[str, ...]:
    """Those of the latest message that has any: a follow-up question is about the picture before it."""
    for message in reversed(messages):
        shown = message.content if isinstance(message, Asking) else ()
        urls = [part.image_url.url for part in shown if isinstance(part, ImagePart)]
        if urls:
            several(urls)
            return tuple(map(_url, urls))
    raise _unusable("there is no image; send one as an image_url part with a data: or http(s) URL")


def _url(url: str) -> str:
    if not url[:8].lower().startswith(SCHEMES):
        raise _unusable(f"{url[:60]!r} is no URL of an image; it must be data:, http: or https:")
    return url


def _wishes(messages: Sequence[Message]) -> str:
    found = [said(one.content) for one in messages if isinstance(one, Instruction)]
    return "\n\n".join(filter(None, found))


def _dialogue(messages: Sequence[Message]) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    """Questions with their answers, and what was asked since and got none."""
    turns: list[tuple[str, str]] = []
    open_: list[str] = []
    for message in messages:
        text = "" if isinstance(message, Instruction) else said(message.content)
        if not isinstance(message, Answered):
            open_ += [text] * bool(text)
        elif open_ and text:  # what an assistant says unasked answers nothing
            turns.append(("\n".join(open_), text))
            open_ = []
    return tuple(turns), open_


def _schema(request: ChatRequest) -> Mapping[str, Any] | None:
    wanted = request.response_format
    if wanted is None or wanted.type == "text":
        return None
    schema = wanted.json_schema.schema_ if isinstance(wanted, FittingJson) else ANY_OBJECT
    try:
        schema_of(schema)
    except InputError as error:
        raise Refusal(400, str(error), code="invalid_value", param="response_format") from None
    return schema


def _tools(request: ChatRequest, menu: Menu) -> tuple[PerceptionKind, ...]:
    wanted = request.foveal.tools
    if wanted is None:
        return menu.tools
    lacking = [kind for kind in wanted if kind not in menu.tools]
    if lacking:
        has = ", ".join(menu.tools) or "none"
        message = f"no tool {lacking[0]!r} here; there are: {has}"
        raise Refusal(400, message, code="invalid_value", param="foveal.tools")
    return tuple(kind for kind in menu.tools if kind in wanted)


def _budgets(request: ChatRequest, most: Budgets) -> Budgets:
    """Never more than the server's own."""
    hops = request.foveal.max_hops
    budgets = most if hops is None else most.model_copy(update={"hops": min(hops, most.hops)})
    tokens = request.max_completion_tokens or request.max_tokens
    if tokens is None:
        return budgets
    kept_back = min(tokens, budgets.answer_tokens)  # with which the question must be answered
    free = min(tokens - kept_back, budgets.new_tokens)
    return budgets.model_copy(update={"new_tokens": free, "answer_tokens": kept_back})


def _unusable(message: str) -> Refusal:
    return Refusal(400, message, code="invalid_value", param="messages")
