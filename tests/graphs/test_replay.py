"""A recorded run, run again, gives the same result."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foveal.agent.actions import Area, Look
from foveal.agent.errors import InputError, SpecialistError
from foveal.graphs.budgets import Budgets
from foveal.graphs.replay import replay
from foveal.graphs.result import Result
from foveal.graphs.run import Parts, run

RED = "<|detect_start|>red<|detect_end|>"
BLUE = "<|detect_start|>blue<|detect_end|>"
LOOK = "<|region_token_start|><|x_0|><|y_0|><|x_1|><|y_1|><|region_token_end|>"
LOOK_2 = "<|look_start|><|obj_2|><|look_end|>"
STRAY = "<|region_token_end|>"


def _same(result: Result) -> Any:
    hops = [hop.model_copy(update={"seconds": 0.0}) for hop in result.hops]
    return (
        result.answer, result.confidence, result.evidence, result.ended_by, result.notes, hops
    )  # fmt: skip


def _clock(step: float) -> Callable[[], float]:
    ticks = iter(range(10_000))
    return lambda: next(ticks) * step


@pytest.mark.parametrize("specialists", ["recorded", "asked again"])
@pytest.mark.parametrize(
    ("script", "budgets"),
    [
        ((RED, "2"), {}),
        ((RED + BLUE, STRAY, LOOK_2, RED, "2"), {}),
        ((RED, "2"), {"hops": 1}),
        ((RED + BLUE + LOOK, "2"), {"actions": 2}),
        (("Let me think at length.", "2"), {"new_tokens": 9}),
        ((LOOK, "2"), {"visual_tokens": 20}),
        ((RED, BLUE, "2"), {"seconds": 9}),
        ((RED, STRAY), {"hops": 1}),
        ((RED, "", "", ""), {"errors": 2}),
        ((RED, STRAY, RED, BLUE, "", "2"), {}),
    ],
    ids=[
        "one hop", "many hops", "hops", "actions", "new tokens", "visual tokens", "seconds",
        "rubbish at the end", "no answer", "errors and an answer",
    ],
)  # fmt: skip
async def test_the_same_result(
    specialists: str,
    script: Any,
    budgets: Any,
    parts: Any,
    painter: Any,
    picture: Any,
    tmp_path: Path,
) -> None:
    painter.tokens = 16
    needed = parts(*script, budgets=Budgets(**budgets), trace_dir=tmp_path)
    first = await run("How many?", picture, needed, elapsed=_clock(1.0))
    assert first.ended_by == next(iter(budgets), "answer")
    calls, painter.calls = painter.calls, []
    real = (painter, painter.store) if specialists == "asked again" else ()
    again = await replay(str(first.trace), picture, *real)
    assert _same(again) == _same(first)
    assert painter.calls == (calls if real else [])


async def test_a_specialist_that_failed_fails_again(
    parts: Any, painter: Any, picture: Any, tmp_path: Path
) -> None:
    async def fail(action: Any) -> None:
        raise SpecialistError("detector", "out of memory")

    painter.before = fail
    first = await run("?", picture, parts(RED, "unsure", trace_dir=tmp_path))
    assert _same(await replay(str(first.trace), picture)) == _same(first)


async def test_a_turn_whose_text_was_never_told_still_cannot_be_read(
    parts: Any, picture: Any, tmp_path: Path
) -> None:
    """A backend that does not stream leaves no text of a malformed turn."""
    needed = parts(STRAY, "2", trace_dir=tmp_path)
    needed.model.silent = True
    first = await run("?", picture, needed)
    assert _same(await replay(str(first.trace), picture)) == _same(first)


async def test_a_turn_is_not_read_again(
    reciter: Any, painter: Any, picture: Any, tmp_path: Path
) -> None:
    """Backends spell places in their own way: a replay takes the actions as they were read."""
    model = reciter("look at [0, 0, 500, 500]", "2")
    look = Look(target=Area(x0=0, y0=0, x1=0.5, y1=0.5))
    model.reads = {"look at [0, 0, 500, 500]": (look,)}
    needed = Parts(model, painter, painter.store, trace_dir=tmp_path)
    first = await run("?", picture, needed)
    assert [hop.action for hop in first.hops] == [look]
    assert _same(await replay(str(first.trace), picture)) == _same(first)


async def test_what_was_counted_is_counted_again(parts: Any, picture: Any, tmp_path: Path) -> None:
    first = await run("?", picture, parts(RED, "2", trace_dir=tmp_path))
    trace, counts = Path(str(first.trace)), ("prefilled", "emitted", "visual", "cached", "afresh")
    lines = trace.read_text(encoding="utf-8").splitlines()
    for number, name in enumerate(counts, start=90):
        pattern = re.compile(rf'"{name}":\d+')
        lines = [pattern.sub(f'"{name}":{number}', line) for line in lines]
    trace.write_text("\n".join(lines) + "\n", encoding="utf-8")
    usage = (await replay(trace, picture)).usage
    assert [getattr(usage, name) for name in counts] == [90, 91, 92, 93, 94]


async def test_another_image_is_refused(parts: Any, picture: Any, tmp_path: Path) -> None:
    first = await run("?", picture, parts("2", trace_dir=tmp_path))
    with pytest.raises(InputError, match="not the image of the trace"):
        await replay(str(first.trace), picture[::-1])


async def test_a_run_that_broke_before_its_first_turn_is_refused(
    parts: Any, picture: Any, tmp_path: Path
) -> None:
    with pytest.raises(IndexError):  # a model with nothing to say
        await run("?", picture, parts(trace_dir=tmp_path))
    (trace,) = tmp_path.iterdir()
    with pytest.raises(InputError, match="no turn of the model"):
        await replay(trace, picture)
