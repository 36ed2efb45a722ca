"""The Responses API: OpenAI's own newer interface, which some servers have as well. Nothing is stored there."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic_core import to_jsonable_python

from foveal.agent.openai.history import Message, Part, Result, Said, System, User
from foveal.agent.openai.pictures import Shown
from foveal.agent.openai.reply import Counts, Reply
from foveal.agent.openai.request import Offer
from foveal.agent.openai_given import count, given, number, several, words

Json = dict[str, Any]
ENDS = {"response.completed": "stop", "response.incomplete": "length", "response.failed": ""}
"""Events after which nothing comes, and how the turn then ended: not at all, when it failed."""


class Responses:
    """Writes requests and reads what comes back; holds nothing."""

    def request(self, messages: Sequence[Message], offer: Offer) -> Json:
        """The body of a request."""
        tools = [{"type": "function", **schema} for schema in offer.schemas]
        return {
            "model": offer.model,
            "input": [item for message in messages for item in _items(message)],
            "max_output_tokens": offer.limit,
            "temperature": 0,
            "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
            "store": False,
            "stream": True,
            **offer.choice(tools),
            **_format(offer),
        }

    async def send(self, client: Any, body: Json) -> Any:
        """A stream of events, or the whole response where the body asks for no stream."""
        return await client.responses.create(**body)

    async def read(self, answer: Any, reply: Reply, hear: Callable[[str], None]) -> None:
        """Add what arrives to the reply."""
        if not hasattr(answer, "__aiter__"):
            _whole(answer, reply, hear)
            return
        async for event in answer:
            _event(event, reply, hear)


def _format(offer: Offer) -> Json:
    if offer.fit is None:
        return {}
    schema = {"type": "json_schema", "name": "answer", "schema": offer.fit, "strict": True}
    return {"text": {"format": schema}}


def _items(message: Message) -> Iterator[Json]:
    match message:
        case System():
            yield {"role": "system", "content": message.text}
        case User():
            yield {"role": "user", "content": [_part(part) for part in message.parts]}
        case Said():
            yield from message.thoughts
            if message.text or not message.calls:
                yield {"role": "assistant", "content": message.text}
            for call in message.calls:
                yield {
                    "type": "function_call",
                    "call_id": call.id,
                    "name": call.name,
                    "arguments": call.arguments,
                }
        case Result():
            yield {"type": "function_call_output", "call_id": message.call, "output": message.text}


def _part(part: Part) -> Json:
    if isinstance(part, Shown):
        return {"type": "input_image", "image_url": part.url, "detail": "auto"}
    return {"type": "input_text", "text": part}


def _event(event: Any, reply: Reply, hear: Callable[[str], None]) -> None:
    kind = words(event, "type")
    if kind in ("response.output_text.delta", "response.refusal.delta"):
        reply.say(words(event, "delta"), hear)
        reply.sure(number(token, "logprob") for token in several(event, "logprobs"))
    elif kind == "response.output_item.done":
        _item(given(event, "item"), reply)
    elif kind == "error":
        reply.broken = words(event, "message") or kind
    elif kind in ENDS:
        _end(given(event, "response"), kind, reply)
    elif kind.startswith("response.reasoning"):
        reply.thought = True


def _item(item: Any, reply: Reply) -> None:
    kind = words(item, "type")
    if kind == "function_call":
        name, arguments = words(item, "name"), words(item, "arguments")
        reply.call(len(reply.calls), name, arguments, words(item, "call_id"))
    elif kind == "reasoning":
        reply.thought = True
        if words(item, "encrypted_content"):  # else the server has nothing to unseal
            sealed = to_jsonable_python(item, exclude_none=True)
            reply.thoughts.append({key: sealed[key] for key in sealed if key != "status"})


def _whole(answer: Any, reply: Reply, hear: Callable[[str], None]) -> None:
    for item in several(answer, "output"):
        for part in several(item, "content") if words(item, "type") == "message" else ():
            reply.say(words(part, "text") or words(part, "refusal"), hear)
            reply.sure(number(token, "logprob") for token in several(part, "logprobs"))
        _item(item, reply)
    if words(answer, "status"):
        _end(answer, f"response.{words(answer, 'status')}", reply)


def _end(response: Any, kind: str, reply: Reply) -> None:
    reply.finish = ENDS.get(kind, "")
    if not reply.finish:
        reply.broken = words(given(response, "error"), "message") or kind
    usage = given(response, "usage")
    if usage is None:
        return
    reply.counts = Counts(
        prompt=count(usage, "input_tokens"),
        cached=count(given(usage, "input_tokens_details"), "cached_tokens"),
        written=count(usage, "output_tokens"),
    )
    reply.thought |= count(given(usage, "output_tokens_details"), "reasoning_tokens") > 0
