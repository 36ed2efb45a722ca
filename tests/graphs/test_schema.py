"""Which answers fit a schema, what is said of the others, and which schemas are none."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, field_validator

from foveal.agent.errors import InputError
from foveal.graphs.schema import Misfit, schema_file, schema_of


class Count(BaseModel):
    count: Annotated[int, Field(ge=0)]


class Sign(BaseModel):
    text: str


class Thing(BaseModel):
    colour: Literal["red", "blue"]
    count: int = 1


class Even(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def _even(cls, number: int) -> int:
        if number % 2:
            raise ValueError("odd numbers are not wanted")
        return number


COUNT = {
    "type": "object",
    "properties": {"count": {"type": "integer", "minimum": 0}},
    "required": ["count"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("source", "answer", "value"),
    [
        (Count, '{"count": 3}', Count(count=3)),
        (Count, ' \n{"count": 3}\n', Count(count=3)),
        (Count, '```json\n{"count": 3}\n```', Count(count=3)),
        (Count, 'Here it is:\n```\n{"count": 3}\n```\nThat is all.', Count(count=3)),
        # The only field, in plain words.
        (Count, "3", Count(count=3)),
        (Count, " 3 ", Count(count=3)),
        (Sign, "EXIT ONLY", Sign(text="EXIT ONLY")),
        (Sign, '"EXIT"', Sign(text="EXIT")),
        (Sign, "42", Sign(text="42")),
        (Thing, '{"colour": "red"}', Thing(colour="red")),
        (int, "3", 3),
        (str, "a sign", "a sign"),
        (list[int], "[1, 2]", [1, 2]),
        (COUNT, '{"count": 3}', {"count": 3}),
        (COUNT, "3", {"count": 3}),
        ({"type": "string"}, "a sign", "a sign"),
        ({"type": "object"}, '{"a": {"b": [1]}}', {"a": {"b": [1]}}),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "number"}}}, "2.5", 2.5),
    ],
)
def test_what_fits(source: Any, answer: str, value: Any) -> None:
    assert schema_of(source).fitted(answer) == value


@pytest.mark.parametrize(
    ("source", "answer", "reason"),
    [
        (Count, "", "Invalid JSON"),
        (Count, "three", "Invalid JSON"),
        (Count, "-1", "Input should be an object"),
        (Count, '{"count": -1}', "count: Input should be greater than or equal to 0"),
        (Count, '{"count": 3', "Invalid JSON: EOF"),
        (Sign, '{"text": "EX', "Invalid JSON: EOF"),  # cut off; no plain words
        (Sign, '["EXIT"]', "Input should be an object"),
        (Thing, "red", "Invalid JSON"),  # two fields: which one is not said
        (Thing, '{"colour": "green", "count": "x"}', "colour: Input should be 'red' or 'blue'; count: "),
        (Even, "3", "Input should be an object"),
        (Even, '{"number": 3}', "number: Value error, odd numbers are not wanted"),
        (COUNT, "", "it is no JSON: "),
        (COUNT, '{"count": "3"}', "count: '3' is not of type 'integer'"),
        (COUNT, '{"count": 3, "more": 1}', "'more' was unexpected"),
        (COUNT, '{"count": NaN}', "it is no JSON"),
        ({"type": "object"}, '{"a": "\\ud83d"}', "it is no JSON"),  # half a character
        (COUNT, "```\n1\n``` or ```\n2\n```", "it is no JSON"),
        ({"type": "string", "maxLength": 3}, "a" * 999, "it is no JSON"),
    ],
)  # fmt: skip
def test_what_does_not_fit(source: Any, answer: str, reason: str) -> None:
    with pytest.raises(Misfit) as misfit:
        schema_of(source).fitted(answer)
    assert reason in str(misfit.value)


def test_a_long_reason_is_cut_and_few_are_told() -> None:
    schema = schema_of({"type": "array", "items": {"type": "string"}})
    with pytest.raises(Misfit) as misfit:
        schema.fitted(json.dumps([[["x" * 500]]] * 9))
    assert str(misfit.value).count(";") == 2
    assert len(str(misfit.value)) < 700


@pytest.mark.parametrize("depth", [199, 5000])
def test_an_answer_may_be_nested_as_deeply_as_it_likes(depth: int) -> None:
    """A schema that refers to itself follows it down until that is too deep for Python or for the parser."""
    nested = schema_of({"items": {"allOf": [{"allOf": [{"allOf": [{"$ref": "#"}]}]}]}})
    with pytest.raises(Misfit, match=r"too deeply|recursion"):
        nested.fitted("[" * depth + "]" * depth)


def test_a_class_is_told_with_names_and_descriptions() -> None:
    class Described(BaseModel):
        words: str = Field(description="what the sign says")

    told = schema_of(Described).json
    assert told["properties"]["words"]["description"] == "what the sign says"


def test_a_schema_that_was_read_stays_what_it_is() -> None:
    schema = schema_of(Count)
    assert schema_of(schema) is schema


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"type": "whole number"}, "no JSON schema at type: 'whole number'"),
        ({"properties": {"a": {"minLength": -1}}}, "at properties.a.minLength"),
        ({"type": "string", "pattern": "("}, "at pattern"),
        ({"$ref": "https://example.org/s.json"}, "refers to 'https://example.org/s.json'"),
        ({"items": {"$ref": "#/$defs/a"}}, "refers to '#/$defs/a', which is not in it"),
        ({"$ref": "#"}, "refers to itself without end"),
        ({"enum": [{1, 2}]}, "cannot be written as JSON"),
        (Callable[[], int], "cannot be an answer's schema"),
        ("Thing", "cannot be an answer's schema"),
    ],
)
def test_what_is_no_schema(source: Any, reason: str) -> None:
    with pytest.raises(InputError) as refused:
        schema_of(source)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot read schema"),
        (b"{", "is not valid JSON"),
        (b"[1]", "is no JSON object"),
        (b'{"type": 3}', "no JSON schema at type"),
        (b"\xff\xfe", "is not valid JSON"),
    ],
)
def test_files_that_hold_none(content: bytes | None, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=reason):
        schema_file(path)


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(COUNT), encoding="utf-8")
    assert schema_file(path).fitted("3") == {"count": 3}
