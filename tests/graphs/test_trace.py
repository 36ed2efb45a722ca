"""Traces survive the file: what is read is what happened."""

from pathlib import Path
from typing import Any

import pytest

from foveal.agent.errors import InputError
from foveal.graphs.run import run
from foveal.graphs.trace import TraceWriter, read

DETECT_THEN_DEPTH = (
    "<|detect_start|>red<|detect_end|>",
    "<|depth_start|><|obj_1|><|obj_2|><|depth_end|>",
    "<|obj_1|>",
    "2 \u2028 \x85 two",
)


@pytest.fixture
async def traced(parts: Any, picture: Any, tmp_path: Path) -> Any:
    """The events of a run, and the path of its trace."""
    events: list[Any] = []
    result = await run(
        "How\u2028many?", picture, parts(*DETECT_THEN_DEPTH, trace_dir=tmp_path), events.append
    )
    return events, Path(str(result.trace))


def test_what_is_read_is_what_happened(traced: Any) -> None:
    events, path = traced
    assert read(path) == [event for event in events if event.kind != "said"]


def test_a_line_cut_off_by_a_crash_is_left_out(traced: Any) -> None:
    _, path = traced
    whole = read(path)
    path.write_text(path.read_text()[:-10])
    assert read(path) == whole[:-1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a trace"),
        ("no json\n", "line 1 is no trace event"),
        ('{"kind": "thing"}\n', "line 1 is no trace event"),
        ('{"kind": "told", "noted": {"text": "x"}}\n', "not a trace"),
    ],
    ids=["empty", "no JSON", "no event", "no beginning"],
)
def test_what_is_no_trace_is_refused(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=reason):
        read(path)


def test_a_missing_trace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the trace"):
        read(tmp_path / "none.jsonl")


def test_a_folder_that_cannot_be_written_is_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write a trace"):
        TraceWriter(tmp_path / "file" / "t.jsonl")
