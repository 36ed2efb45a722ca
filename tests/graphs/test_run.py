"""One run, seen from outside."""
import pytest
from foveal.graphs.run import run

async def test_first(parts, picture):
    events = []
    p = parts("<|detect_start|>red<|detect_end|>", "2")
    result = await run("How many?", picture, p, events.append)
    print(result.model_dump_json(indent=1))
    for e in events: print(e)
    assert result.answer == "2"
    assert 0
