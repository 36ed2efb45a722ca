"""The six tools as a client meets them, in this process: what they give, refuse and keep to themselves."""

import asyncio
import base64
import logging
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import CallToolResult, ListRootsResult, Root, TextContent
from pydantic import FileUrl

RED = "<|detect_start|>red cube<|detect_end|>"
ERAS = ["legacy", "auto"]
"""How a client begins: with a handshake, as all did before the revision 2026-07-28, or without."""
PART = {"left": 8, "top": 4, "right": 40, "bottom": 44}


async def listed(client: Client) -> dict[str, Any]:
    return {tool.name: tool for tool in (await client.list_tools()).tools}


def words(result: CallToolResult) -> str:
    (text,) = result.content
    assert isinstance(text, TextContent)
    return text.text


@pytest.mark.parametrize("era", ERAS)
async def test_every_tool_is_typed_and_only_reads(serving: Any, era: str) -> None:
    async with Client(serving("2"), mode=era) as client:
        tools = await listed(client)
    assert set(tools) == {"ask_image", "look", "detect", "segment", "depth", "read"}
    for tool in tools.values():
        assert tool.annotations.read_only_hint
        assert not tool.annotations.destructive_hint
        assert tool.title
        assert tool.description
        assert "image" in tool.input_schema["required"]
        assert {"width", "height"} <= set(tool.output_schema["required"])
        assert not {"roots", "ctx"} & set(tool.input_schema["properties"])


@pytest.mark.parametrize("era", ERAS)
async def test_a_question(serving: Any, picture: Path, checked: Any, era: str) -> None:
    heard: list[str | None] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message)

    async with Client(serving(RED, "1"), mode=era) as client:
        asked = {"image": str(picture), "question": "How many red cubes?"}
        result = await client.call_tool("ask_image", asked, progress_callback=hear)
        found = checked(result, (await listed(client))["ask_image"])
    assert (found["answer"], found["confidence"], found["hops"]) == ("1", 0.8, 1)
    (proof,) = found["evidence"]
    assert proof["box"] == {"left": 10, "top": 10, "right": 30, "bottom": 30}
    assert len(result.content) == 3  # the JSON, the picture with the box, the box close up
    assert heard == ['detector: detect "red cube"', "1 found"]


async def test_a_schema(serving: Any, picture: Path) -> None:
    schema = {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}
    async with Client(serving('{"count": 2}')) as client:
        asked = {"image": str(picture), "question": "How many?", "schema": schema}
        result = await client.call_tool("ask_image", asked)
        assert result.structured_content["value"] == {"count": 2}
        bad = await client.call_tool("ask_image", asked | {"schema": {"type": "nonsense"}})
    assert bad.is_error
    assert "schema" in words(bad)


async def test_a_question_keeps_within_what_the_server_allows(serving: Any, picture: Path) -> None:
    asked = {"image": str(picture), "question": "How many?"}
    async with Client(serving(RED, "1", tools="detect")) as client:
        blind = await client.call_tool("ask_image", asked | {"max_hops": 0})
        refused = await client.call_tool("ask_image", asked | {"tools": ["look"]})
        allowed = await client.call_tool("ask_image", asked | {"tools": ["detect"]})
    assert (blind.structured_content["hops"], blind.structured_content["ended_by"]) == (0, "hops")
    assert refused.is_error
    assert words(refused) == "no tool 'look' is allowed here; allowed: detect"
    assert allowed.structured_content["answer"] == "1"


async def test_look(serving: Any, picture: Path, checked: Any, seer: Any) -> None:
    async with Client(serving("2")) as client:
        result = await client.call_tool("look", {"image": str(picture), "region": PART})
        assert checked(result, (await listed(client))["look"])["box"] == PART
    assert seer.marks[0].box.xyxy == (8, 4, 40, 44)
    assert len(result.content) == 2


async def test_a_client_that_sends_a_region_as_text(serving: Any, picture: Path) -> None:
    """Some clients' models do."""
    region = '{"left": 8, "top": 4, "right": 40, "bottom": 44}'
    async with Client(serving("2")) as client:
        result = await client.call_tool("look", {"image": str(picture), "region": region})
    assert result.structured_content["box"] == PART


async def test_images_that_need_no_file(serving: Any, picture: Path) -> None:
    data = base64.b64encode(picture.read_bytes()).decode()
    async with Client(serving("2", roots=())) as client:
        for image in (f"data:image/png;base64,{data}", data + " " * (300 - len(data))):
            result = await client.call_tool("detect", {"image": image, "phrase": "red cube"})
            assert result.structured_content["count"] == 1


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("look", {"image": "gone.png", "region": PART}, "does not exist; check the path"),
        ("look", {"image": "/etc/passwd", "region": PART}, "--root DIR"),
        ("look", {"image": "ftp://a.example/b.png", "region": PART}, "http, https or data URL"),
        ("look", {"image": "http://127.0.0.1:9/b.png", "region": PART}, "private address"),
        ("look", {"image": " ", "region": PART}, "the image is empty"),
        ("look", {"image": "notes.txt", "region": PART}, "not an image that can be decoded"),
        ("look", {"image": "picture.png", "region": PART | {"right": 400}}, "96 pixels wide"),
        ("look", {"image": "picture.png", "region": PART | {"right": 2}}, "left must be smaller"),
        ("look", {"image": "picture.png"}, "region"),
        ("detect", {"image": "picture.png", "phrase": "<|obj_1|>"}, "plain words"),
        ("segment", {"image": "picture.png"}, "give either a box or a point"),
        ("segment", {"image": "picture.png", "point": {"x": 96, "y": 1}}, "outside the image"),
        ("read", {"image": "picture.png"}, "reader failed: it is out of order"),
        ("ask_image", {"image": "picture.png", "question": " "}, "the question is empty"),
    ],
)
async def test_errors_are_told_with_their_cure(
    serving: Any,
    picture: Path,
    monkeypatch: pytest.MonkeyPatch,
    tool: str,
    arguments: dict[str, Any],
    told: str,
) -> None:
    monkeypatch.chdir(picture.parent)
    (picture.parent / "notes.txt").write_text("no picture")
    async with Client(serving("2")) as client:
        result = await client.call_tool(tool, arguments)
        assert result.is_error
        assert told in words(result)
        assert await client.list_tools()


async def test_a_crash_is_logged_and_not_told(
    serving: Any, picture: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Client(serving("2")) as client:
        with caplog.at_level(logging.ERROR):
            result = await client.call_tool("depth", {"image": str(picture)})
        assert await client.list_tools()
    assert result.is_error
    assert "secret" not in words(result)
    assert "a secret of the server" in caplog.text


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_says_where_it_works(
    serving: Any, picture: Path, tmp_path_factory: pytest.TempPathFactory, era: str
) -> None:
    """Its folders, and no others, are read; unless the user has named some."""
    other = tmp_path_factory.mktemp("other")
    roots = [Root(uri=FileUrl(picture.parent.as_uri()))]

    async def declared(context: object) -> ListRootsResult:
        return ListRootsResult(roots=roots)

    async def found(server: Any) -> bool:
        async with Client(server, mode=era, list_roots_callback=declared) as client:
            asked = {"image": str(picture), "phrase": "red cube"}
            return not (await client.call_tool("detect", asked)).is_error

    assert await found(serving("2", roots=[other]))
    assert not await found(serving("2", roots=[other], fixed=True))
    roots[:] = [Root(uri=FileUrl(other.as_uri()))]
    assert not await found(serving("2", roots=[picture.parent]))
    assert await found(serving("2", roots=[picture.parent], fixed=True))


async def test_questions_overlap(serving: Any, picture: Path) -> None:
    async with Client(serving(RED, "1")) as client:
        asked = {"image": str(picture), "question": "How many red cubes?"}
        results = await asyncio.gather(*(client.call_tool("ask_image", asked) for _ in range(3)))
    assert [result.structured_content["answer"] for result in results] == ["1", "1", "1"]
