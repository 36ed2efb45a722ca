"""Held to a schema, even a model of random weights writes JSON that fits it."""

import json
from typing import Any

import jsonschema
import pytest

from foveal.agent.actions import Answer
from foveal.agent.grammar import PERCEPTION_TOKENS
from foveal.agent.model import Structured
from foveal.agent.schema_mask import SchemaMasks
from foveal.agent.transcript import Asked, Noted

ASKED = Asked(image="a" * 64, size=(120, 90), question="How many?", tools=("detect",))
THING = {
    "type": "object",
    "properties": {
        "colour": {"enum": ["red", "blue"]},
        "count": {"type": "integer", "minimum": 0, "maximum": 99},
        "name": {"type": "string", "maxLength": 6},
        "parts": {"type": "array", "items": {"type": "boolean"}, "maxItems": 2},
    },
    "required": ["colour", "count", "name", "parts"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "schema",
    [
        THING,
        {"$ref": "#/$defs/pair", "$defs": {"pair": {"enum": [[1, 2], {"a": None}]}}},
        {"type": "string", "pattern": "^[ab]{3}$"},
        {"anyOf": [{"type": "null"}, {"const": "é"}]},
    ],
    ids=["object", "reference", "pattern", "any of"],
)
async def test_what_is_filled_in_fits(native: Any, shelf: Any, schema: dict[str, Any]) -> None:
    session = await native.open([ASKED], shelf)
    heard: list[str] = []
    turn = await session.fill(schema, 200, heard.append)
    jsonschema.validate(json.loads(turn.text), schema)
    assert turn.actions == (Answer(text=turn.text),)
    assert "".join(heard) == turn.text
    assert session.usage.emitted == len(turn.tokens)
    assert not set(PERCEPTION_TOKENS) & {native.vocabulary.spelling(t) for t in turn.tokens}
    session.close()


async def test_what_is_forced_is_certain_and_computed_at_once(native: Any, shelf: Any) -> None:
    session = await native.open([ASKED], shelf)
    passes = native.engine.passes
    turn = await session.fill({"const": {"the only": ["answer"]}}, 200)
    assert (json.loads(turn.text), turn.confidence) == ({"the only": ["answer"]}, 1.0)
    assert native.engine.passes - passes < len(turn.tokens)


async def test_the_conversation_goes_on_and_can_be_opened_again(native: Any, shelf: Any) -> None:
    session = await native.open([ASKED], shelf)
    filled = await session.fill(THING, 200)
    note = Noted(text="the count is wrong", error=True)
    await session.observe([note])
    again = await native.open([ASKED, filled, note], shelf)
    assert (await session.act((), 8)).tokens == (await again.act((), 8)).tokens


async def test_too_few_tokens_leave_it_unfinished(native: Any, shelf: Any) -> None:
    session = await native.open([ASKED], shelf)
    turn = await session.fill({"type": "string", "minLength": 50}, 20)
    assert len(turn.tokens) == 20
    assert not turn.text.endswith('"')


async def test_nobody_is_held_to_what_cannot_be_compiled(native: Any, shelf: Any) -> None:
    schema = {"type": "string", "pattern": "(?=a)."}
    session, plain = await native.open([ASKED], shelf), await native.open([ASKED], shelf)
    assert native.mask(schema) is None
    assert await session.fill(schema, 8) == await plain.act((), 8)
    assert isinstance(session, Structured)


def test_keywords_that_the_library_does_not_know_are_left_out(native: Any) -> None:
    assert native.mask({"type": "array", "uniqueItems": True, "not": {"const": [1]}}) is not None


def test_without_usable_tokens_nothing_may_come(native: Any) -> None:
    """What the library allows and the model must not say is forbidden."""
    known = native.vocabulary
    brace = native.ids("{")
    masks = SchemaMasks(native.tokenizer, known.size, known.text[known.text != brace], known.end)
    mask = masks.of({"type": "object"})
    assert mask is not None
    assert not len(mask.allowed())


def test_a_mask_that_was_broken_allows_nothing(native: Any) -> None:
    mask = native.mask({"type": "object"})
    mask.take(native.ids("]"))
    assert not len(mask.allowed())
