"""`agent mcp --ray`: what clients ask goes to the same pools as the agent's own runs."""

from pathlib import Path
from typing import Any

import pytest
from mcp import Client

ROOT = Path(__file__).parents[3]
IMAGE = {"image": "examples/tabletop.png"}
CUBE = {"left": 190, "top": 340, "right": 240, "bottom": 409}


@pytest.mark.ray
@pytest.mark.slow
async def test_specialists_in_pools(reciting: Any, checked: Any) -> None:
    async with Client(reciting(None, "--ray")) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        asked = IMAGE | {"question": "How many red cubes are there?"}
        answer = await client.call_tool("ask_image", asked)
        assert checked(answer, tools["ask_image"])["answer"] == "3"
        outline = await client.call_tool("segment", IMAGE | {"box": CUBE, "mask": True})
        assert 2000 < checked(outline, tools["segment"])["area"] < 3500
        assert len(outline.content) == 3
        map_ = await client.call_tool("depth", IMAGE | {"regions": [CUBE]})
        assert checked(map_, tools["depth"])["nearest_first"][0]["depth"] < 0.5
        assert len(map_.content) == 2
