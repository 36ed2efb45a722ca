"""The configurations that docs/mcp.md offers to be pasted."""

import json
import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "mcp.md"


def test_the_configurations_are_json_and_start_this_server() -> None:
    blocks = re.findall(r"^```json\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    servers = [
        server
        for block in map(json.loads, blocks)
        for server in (block.get("mcpServers") or block["servers"]).values()
    ]
    assert len(servers) == 3
    for server in servers:
        started = "command" in server
        assert started == ("args" in server) != ("url" in server)
        assert server["args"][0] == "mcp" if started else server["url"].endswith("/mcp")
