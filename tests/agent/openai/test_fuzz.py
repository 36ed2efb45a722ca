"""Whatever a server sends becomes an action, an answer, or an error of a kind that somebody is told."""

import json
from functools import cache
from typing import Any

from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from openai._models import construct_type
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent

from foveal.agent.errors import ActionError, InputError, SetupError
from foveal.agent.openai.model import OpenAIModel
from foveal.agent.openai.request import Want
from foveal.agent.transcript import Acted, Asked, Noted

ASKED = Asked(
    image="a" * 64, size=(120, 90), question="How many?", tools=("look", "detect", "read")
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


NOTHING = object()


def mostly(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What belongs there, rarely something else."""
    return st.integers(0, 15).flatmap(lambda odd: usual if odd else JSON)


def fields(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with these fields, each rarely something else and sometimes missing."""
    made = {name: st.one_of(each, each, each, st.just(NOTHING)) for name, each in known.items()}
    return mostly(
        st.fixed_dictionaries(made).map(
            lambda held: {name: value for name, value in held.items() if value is not NOTHING}
        )
    )


SAID = st.sampled_from([
    "2", "", "<think>", "</think>", "<|look_start|>[1, 2, 300, 400]<|look_end|>", "<|obj_1|>", "\ud83d", "[0, 0",
    '<tool_call>{"name": "read", "arguments": {}}</tool_call>', "<tool_call>{}</tool_call>", "<|read_start|>",
])  # fmt: skip
ARGUMENTS = st.one_of(
    st.sampled_from(['{"phrase": "cube"}', '{"box": [1, 2, 3, 4], "object": null}', "{", "", "null", "[]",
                     '{"box": [1e999, 0, 0, 0]}', '{"box": "here"}', '{"phrase": "<|"}', "[" * 50_000]),
    JSON.map(lambda value: json.dumps(value, allow_nan=True)),
)  # fmt: skip
NAMES = st.sampled_from(["look", "detect", "read", "segment", "fly", ""])
CALL = fields(
    index=st.integers(-1, 3),
    id=st.sampled_from(["", "x", "y"]),
    function=fields(name=NAMES, arguments=ARGUMENTS),
    extra_content=JSON,
)
DELTA = fields(
    role=st.just("assistant"), content=SAID, refusal=SAID, reasoning_content=SAID, reasoning=JSON,
    tool_calls=st.lists(CALL, max_size=3),
)  # fmt: skip
FINISH = st.sampled_from(["stop", "length", "tool_calls", "content_filter", None])
LOGPROBS = fields(content=st.lists(fields(logprob=st.floats(max_value=0)), max_size=2))
USAGE = fields(
    prompt_tokens=st.integers(), completion_tokens=st.integers(),
    prompt_tokens_details=fields(cached_tokens=st.integers()),
    completion_tokens_details=fields(reasoning_tokens=st.integers()),
)  # fmt: skip
CHUNK = fields(
    choices=st.lists(fields(delta=DELTA, message=DELTA, finish_reason=FINISH, logprobs=LOGPROBS), max_size=2),
    usage=USAGE,
)  # fmt: skip
ITEM = fields(
    type=st.sampled_from(["message", "function_call", "reasoning", "image"]), name=NAMES, arguments=ARGUMENTS,
    call_id=st.sampled_from(["", "x"]), encrypted_content=st.text(max_size=3),
    content=st.lists(fields(type=st.just("output_text"), text=SAID, refusal=SAID), max_size=2),
)  # fmt: skip
RESPONSE = fields(
    status=st.sampled_from(["completed", "incomplete", "failed", "queued"]),
    output=st.lists(ITEM, max_size=3),
    usage=USAGE,
    error=fields(message=SAID),
)
EVENT = fields(
    type=st.sampled_from(["response.output_text.delta", "response.output_item.done", "response.completed", "error",
                          "response.incomplete", "response.failed", "response.reasoning_text.delta", "new"]),
    delta=SAID, item=ITEM, response=RESPONSE, message=SAID, logprobs=st.lists(fields(logprob=st.floats())),
)  # fmt: skip
PATIENT = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # fmt: skip


class Canned:
    """Stands where the client's answer comes in: the wires and all behind them are the real ones."""

    def __init__(self, kind: Any, values: list[Any], streamed: bool) -> None:
        self.built = [construct_type(type_=kind, value=value) for value in values]
        self.streamed = streamed

    async def __call__(self, client: Any, body: Any) -> Any:
        return self._stream() if self.streamed else (self.built or [None])[0]

    async def _stream(self) -> Any:
        for one in self.built:
            yield one


@cache
def model_of(api: Any) -> OpenAIModel:
    return OpenAIModel("http://127.0.0.1:1/v1", "tiny", api=api)


async def conversation(api: Any, answer: Canned, shelf: Any) -> None:
    """Two turns, of which the second may not look."""
    model = model_of(api)
    vars(model._wire)["send"] = answer
    session = await model.open([ASKED], shelf)
    for tools in (ASKED.tools, ()):
        try:
            turn = await session.act(tools, 50)
        except ActionError as error:
            await session.observe([Noted(text=str(error), error=True)])
        except (InputError, SetupError) as error:
            event(type(error).__name__)
            return
        else:
            event("|".join(action.kind for action in turn.actions))
            assert turn.actions
            assert all(action.kind == "answer" or action.kind in tools for action in turn.actions)
            assert turn.confidence is None or 0 <= turn.confidence <= 1
            assert Acted.model_validate_json(turn.model_dump_json()) == turn
    assert min(vars(session.usage).values()) >= 0
    json.dumps(model.request(session._messages(), ASKED.tools, Want(True, 50)))


DONE = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
OVER = {"type": "response.completed", "response": {"status": "completed"}}


@PATIENT
@given(values=st.lists(mostly(CHUNK), max_size=4), streamed=st.booleans())
@example(
    values=[{"choices": [{"delta": {"content": [{"type": "text", "text": "2"}]}}]}], streamed=True
)
@example(
    values=[{"choices": [{"delta": {"tool_calls": [{"function": {"arguments": {"box": 1}}}]}}]}],
    streamed=True,
)
async def test_chat_completions(shelf: Any, values: list[Any], streamed: bool) -> None:
    kind = ChatCompletionChunk if streamed else ChatCompletion
    await conversation("chat", Canned(kind, [*values, DONE], streamed), shelf)


@PATIENT
@given(values=st.lists(mostly(EVENT), max_size=4))
@example(values=[{"type": "response.output_text.delta", "delta": "\ud83d"}])
@example(
    values=[{"type": "response.output_text.delta", "delta": "2", "logprobs": [{"logprob": 710.0}]}]
)
async def test_events_of_responses(shelf: Any, values: list[Any]) -> None:
    await conversation("responses", Canned(ResponseStreamEvent, [*values, OVER], True), shelf)


@PATIENT
@given(value=mostly(RESPONSE))
async def test_whole_responses(shelf: Any, value: Any) -> None:
    await conversation("responses", Canned(Response, [value], False), shelf)
