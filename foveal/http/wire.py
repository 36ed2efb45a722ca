"""What clients may send: OpenAI's Chat Completions, as far as an agent that looks can honour them.

A field that is not known here is refused by name, and so is a value that could only be ignored: whoever sets a
parameter relies on it. What only names the caller (`user`, `metadata`, …) is accepted and forgotten.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from foveal.agent.actions import PerceptionKind


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _only(*supported: Any) -> AfterValidator:
    """No value but these, and nothing, which means the first."""

    def check(value: Any) -> Any:
        if value is not None and value not in supported:
            listed = " or ".join(repr(one) for one in supported)
            raise ValueError(f"{value!r} is not supported, only {listed}")
        return value

    return AfterValidator(check)


class TextPart(_Wire):
    """Words."""

    type: Literal["text"]
    text: str


class ImageURL(_Wire):
    """Where a picture is."""

    url: str
    """A data: URL, or one that is fetched over http(s)."""
    detail: Literal["auto", "low", "high"] | None = None
    """Without effect: the agent decides itself where it looks closely."""


class ImagePart(_Wire):
    """A picture."""

    type: Literal["image_url"]
    image_url: ImageURL


def _parts(content: Any) -> Any:
    return ({"type": "text", "text": content},) if isinstance(content, str) else content


Words = Annotated[tuple[TextPart, ...], BeforeValidator(_parts)]
Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]
Content = Annotated[tuple[Part, ...], BeforeValidator(_parts)]


class Instruction(_Wire):
    """What whoever runs the client wants of every answer."""

    role: Literal["system", "developer"]
    content: Words
    name: str | None = None


class Asking(_Wire):
    """What a user says, with or without pictures."""

    role: Literal["user"]
    content: Content
    name: str | None = None


class Answered(BaseModel):
    """An earlier answer as a client sends it back, with whatever else we or others put into it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    role: Literal["assistant"]
    content: Words | None = None


Message = Annotated[Instruction | Asking | Answered, Field(discriminator="role")]


def said(parts: Sequence[Part] | None) -> str:
    """The words of a message."""
    return "\n".join(part.text for part in parts or () if isinstance(part, TextPart)).strip()


class StreamOptions(_Wire):
    """What a stream tells besides."""

    include_usage: bool = False
    include_obfuscation: bool = False
    """Without effect."""


class JsonSchema(_Wire):
    """A schema, with its name in the client's program."""

    name: str = ""
    description: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None
    """Without effect: an answer that does not fit is never passed off as one that does."""


class AnyText(_Wire):
    """An answer in words."""

    type: Literal["text"]


class AnyJson(_Wire):
    """An answer that is some JSON object."""

    type: Literal["json_object"]


class FittingJson(_Wire):
    """An answer that fits a schema."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


class Wishes(_Wire):
    """The body's field `foveal`: what this agent can be asked for and others cannot."""

    tools: tuple[PerceptionKind, ...] | None = None
    """Those that may be used, of those that the server has; none: an empty list."""
    max_hops: Annotated[int, Field(ge=0)] | None = None
    gate: Annotated[float, Field(ge=0, le=1)] | None = None
    verify: bool = False


class ChatRequest(_Wire):
    """The body of a request for an answer."""

    model: str
    messages: Annotated[tuple[Message, ...], Field(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: Annotated[
        AnyText | AnyJson | FittingJson | None, Field(discriminator="type")
    ] = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    foveal: Wishes = Wishes()

    # Decoding takes the likeliest token, so that asking again gives the same answer.
    n: Annotated[int | None, _only(1)] = None
    temperature: Annotated[float | None, _only(0, 1)] = None
    top_p: Annotated[float | None, _only(1)] = None
    seed: int | None = None
    presence_penalty: Annotated[float | None, _only(0)] = None
    frequency_penalty: Annotated[float | None, _only(0)] = None
    logit_bias: Annotated[dict[str, float] | None, _only({})] = None
    logprobs: Annotated[bool | None, _only(False)] = None
    top_logprobs: Annotated[int | None, _only(0)] = None
    stop: Annotated[str | list[str] | None, _only([])] = None
    tools: Annotated[list[Any] | None, _only([])] = None
    tool_choice: Annotated[Any, _only("none", "auto")] = None
    parallel_tool_calls: bool | None = None
    modalities: Annotated[list[str] | None, _only(["text"])] = None
    store: Annotated[bool | None, _only(False)] = None
    service_tier: Annotated[str | None, _only("auto", "default")] = None

    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    metadata: dict[str, str] | None = None
