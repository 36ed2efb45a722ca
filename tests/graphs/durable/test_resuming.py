"""A run that was cut off goes on where it was, from SQLite and from PostgreSQL."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import BaseModel

from foveal.agent.errors import InputError, SetupError
from foveal.graphs.agent import Agent
from foveal.graphs.trace import read

FIND = "<|detect_start|>red<|detect_end|>"
LOOK = "<|look_start|><|obj_2|><|look_end|>"
SCRIPT = (FIND, LOOK, "2")
Make = Callable[..., Agent]


class Cut(BaseException):
    """The end of a process, as the code in it sees it."""


@pytest.fixture
def cut_off(agent: Make, painter: Any, picture_file: Path) -> Callable[..., str]:
    """Asks a question, ends at the look, and gives the run's id."""

    def ask(*turns: str, verify: bool = False, schema: Any = None, **options: Any) -> str:
        async def end(action: Any) -> None:
            if action.kind == "look":
                raise Cut

        painter.before = end
        one = agent(*(turns or SCRIPT), **options)
        with pytest.raises(Cut):
            one.ask(picture_file, "How many?", verify=verify, schema=schema)
        painter.before = None
        run = one.runs.all()[-1].run
        one.close()
        return run

    return ask


@pytest.fixture(params=["sqlite", "sqlite-latest", "postgres"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres").address)
    return f"{request.param}:{tmp_path / 'runs.db'}"


def test_nothing_is_asked_twice(
    cut_off: Callable[..., str], agent: Make, painter: Any, anywhere: str
) -> None:
    run = cut_off(checkpoint=anywhere)
    again = agent(*SCRIPT, checkpoint=anywhere)
    (kept,) = [one for one in again.runs.all() if one.run == run]
    assert (kept.state, len(kept.hops), kept.answer) == ("unfinished", 1, None)
    events: list[Any] = []
    result = again.runs.resume(run, watch=events.append)
    assert (result.answer, result.run) == ("2", run)
    assert [hop.action.kind for hop in result.hops] == ["detect", "look"]
    assert [action.kind for action in painter.calls] == ["detect", "look", "look"]
    assert [event.kind for event in events[:3]] == ["started", "resumed", "called"]
    assert [hop.action.kind for hop in events[1].hops] == ["detect"]
    (kept,) = [one for one in again.runs.all() if one.run == run]
    assert (kept.state, len(kept.hops), kept.answer) == ("finished", 2, "2")


async def test_a_run_that_is_under_way_is_nobody_elses(
    agent: Make, painter: Any, picture_file: Path, anywhere: str, tmp_path: Path
) -> None:
    looking, go_on = asyncio.Event(), asyncio.Event()
    here = asyncio.get_running_loop()

    async def wait(action: Any) -> None:
        if action.kind == "look":
            here.call_soon_threadsafe(looking.set)
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(go_on.wait(), here))

    painter.before = wait
    one, other = agent(*SCRIPT, checkpoint=anywhere), agent(*SCRIPT, checkpoint=anywhere)
    first = asyncio.create_task(one.aask(picture_file, "How many?"))
    await looking.wait()
    with pytest.raises(InputError, match="is under way in another process; wait for it"):
        await other.runs.aresume("last")
    go_on.set()
    assert await other.runs.aresume((await first).run) == await first
    assert not list(tmp_path.glob("*.lock"))


def test_a_run_that_had_not_begun_begins(agent: Make, reciter: Any, picture_file: Path) -> None:
    model = reciter(*SCRIPT)

    async def end(*_: Any) -> None:
        raise Cut

    model.open = end
    one = agent(model=model)
    with pytest.raises(Cut):
        one.ask(picture_file, "How many?")
    (kept,) = one.runs.all()
    assert (kept.state, kept.hops) == ("unfinished", ())
    assert agent(*SCRIPT).runs.resume(kept.run).answer == "2"


def test_a_finished_run_gives_its_result_again(
    agent: Make, picture_file: Path, painter: Any
) -> None:
    first = agent(*SCRIPT).ask(picture_file, "How many?")
    calls = list(painter.calls)
    assert agent().runs.resume(first.run) == first
    assert painter.calls == calls


def test_a_run_is_known_by_the_beginning_of_its_id(agent: Make, picture_file: Path) -> None:
    runs = [agent(*SCRIPT).ask(picture_file, "How many?").run for _ in range(2)]
    again = agent(*SCRIPT)
    assert again.runs.resume(runs[0][:-1]).run == runs[0]
    with pytest.raises(InputError, match="2 runs begin so; write more"):
        again.runs.resume("2")
    with pytest.raises(InputError, match=r"no run 'x' in sqlite:.*`agent runs --checkpoint"):
        again.runs.resume("x")


def test_the_image_must_be_the_same(
    cut_off: Callable[..., str], agent: Make, picture_file: Path, tmp_path: Path
) -> None:
    run = cut_off()
    copy = tmp_path / "copy.png"
    picture_file.rename(copy)
    with pytest.raises(InputError, match=r"does not exist; .*--image"):
        agent(*SCRIPT).runs.resume(run)
    Image.new("RGB", (96, 64)).save(picture_file)
    with pytest.raises(InputError, match=f"{picture_file} is not the image of run {run}"):
        agent(*SCRIPT).runs.resume(run)
    assert agent(*SCRIPT).runs.resume(run, images=copy).answer == "2"


def test_pixels_are_asked_for_again(agent: Make, painter: Any, picture: Any) -> None:
    painter.before = lambda action: asyncio.sleep(0) if action.kind == "detect" else _end()
    one = agent(*SCRIPT)
    with pytest.raises(Cut):
        one.ask(picture, "How many?")
    painter.before = None
    (kept,) = one.runs.all()
    assert kept.images == (None,)
    with pytest.raises(InputError, match="piped in or given as pixels; name a copy"):
        agent(*SCRIPT).runs.resume(kept.run)
    assert agent(*SCRIPT).runs.resume(kept.run, images=picture).answer == "2"


async def _end() -> None:
    raise Cut


def test_what_was_asked_for_is_remembered(
    cut_off: Callable[..., str], agent: Make, painter: Any
) -> None:
    run = cut_off(tools="detect,look", budgets=None)
    result = agent(*SCRIPT, tools="none").runs.resume(run)
    assert result.answer == "2"


def test_the_schema_is_remembered(cut_off: Callable[..., str], agent: Make) -> None:
    class Count(BaseModel):
        count: int

    run = cut_off(schema=Count)
    assert agent(*SCRIPT).runs.resume(run).value == {"count": 2}
    run = cut_off(schema=Count)
    assert agent(*SCRIPT).runs.resume(run, schema=Count).value == Count(count=2)


def test_another_profile_is_refused(cut_off: Callable[..., str], agent: Make) -> None:
    run = cut_off()
    with pytest.raises(InputError, match="begun with profile 'embedded', not 'vpt-2b-clip'"):
        agent(*SCRIPT, profile="vpt-2b-clip").runs.resume(run)


def test_its_time_goes_on(cut_off: Callable[..., str], agent: Make) -> None:
    run = cut_off()
    before = agent().runs.all()[0]
    result = agent(*SCRIPT).runs.resume(run)
    assert before.run == run
    assert result.seconds > 0


def test_what_was_seen_is_seen_again(agent: Make, painter: Any, picture_file: Path) -> None:
    painter.tokens = 3
    features = np.arange(12, dtype=np.float32).reshape(3, 4)
    key = painter.key = painter.store.put_array(features)
    run = _cut_at_second_look(agent, painter, picture_file)
    fresh = type(painter.store)()
    painter.store = fresh
    again = agent(FIND, LOOK, LOOK.replace("2", "1"), "2", store=fresh, dispatcher=painter)
    assert again.runs.resume(run).answer == "2"
    assert np.array_equal(fresh.array(key), features)


def _cut_at_second_look(agent: Make, painter: Any, image: Path) -> str:
    looks: list[Any] = []

    async def end(action: Any) -> None:
        looks.extend([action] if action.kind == "look" else [])
        if len(looks) == 2:
            raise Cut

    painter.before = end
    one = agent(FIND, LOOK, LOOK.replace("2", "1"), "2")
    with pytest.raises(Cut):
        one.ask(image, "How many?")
    painter.before = None
    (kept,) = one.runs.all()
    return kept.run


def test_what_was_changed_in_the_database_is_refused(
    agent: Make, painter: Any, picture_file: Path, checkpoint: str
) -> None:
    import sqlite3

    painter.tokens, painter.key = 3, painter.store.put_array(np.zeros((3, 4), dtype=np.float32))
    run = _cut_at_second_look(agent, painter, picture_file)
    with sqlite3.connect(checkpoint.removeprefix("sqlite:")) as database:
        (data,) = database.execute("SELECT data FROM foveal_seen").fetchone()
        database.execute("UPDATE foveal_seen SET data = ?", (data[:-4],))
    with pytest.raises(InputError, match="damaged"):
        agent(*SCRIPT).runs.resume(run)


def test_the_trace_holds_everything_once(
    cut_off: Callable[..., str], agent: Make, tmp_path: Path
) -> None:
    folder = tmp_path / "traces"
    run = cut_off(trace_dir=folder)
    path = folder / f"{run}.jsonl"
    with path.open("a") as file:
        file.write('{"kind": "thou')
    result = agent(*SCRIPT).runs.resume(run)
    kinds = [event.kind for event in read(path)]
    assert result.trace == str(path)
    assert kinds == [
        "started", "thought", "called", "returned", "thought", "called", "resumed",
        "called", "returned", "thought", "finished",
    ]  # fmt: skip


def test_the_answer_without_looking_is_not_asked_for_again(
    agent: Make, painter: Any, picture_file: Path, reciter: Any, checkpoint: str
) -> None:
    painter.before = lambda action: _end() if action.kind == "look" else asyncio.sleep(0)
    model = reciter(*SCRIPT, direct=["unknown"], instructed=False)
    options: Any = {"dispatcher": painter, "store": painter.store, "checkpoint": checkpoint}
    with Agent(model=model, gate=0.5, **options) as one, pytest.raises(Cut):
        one.ask(picture_file, "How many?")
    assert len(model.opened) == 2
    painter.before = None
    with agent(*SCRIPT) as again:
        (kept,) = again.runs.all()
        result = again.runs.resume(kept.run)
    assert result.direct is not None
    assert (result.direct.answer, result.answer) == ("unknown", "2")


def test_a_server_that_went_down_is_gone_on_with(
    agent: Make, painter: Any, picture_file: Path, postgres: Any
) -> None:
    async def crash(action: Any) -> None:
        if action.kind == "look":
            postgres.stop()

    painter.before = crash
    one = agent(*SCRIPT, checkpoint=postgres.address)
    try:
        with pytest.raises(SetupError, match="see that the server runs"):
            one.ask(picture_file, "How many?")
    finally:
        postgres.start()
    painter.before = None
    painter.calls.clear()
    assert agent(*SCRIPT, checkpoint=postgres.address).runs.resume("last").answer == "2"
    assert [action.kind for action in painter.calls] == ["look"]


def test_a_follow_up_question_is_gone_on_with(
    agent: Make, painter: Any, picture_file: Path, reciter: Any
) -> None:
    """What was said before it is in the checkpoint as well."""
    model = reciter("1", *SCRIPT)
    painter.before = lambda action: _end() if action.kind == "look" else asyncio.sleep(0)
    one = agent(model=model)
    with one.conversation(picture_file) as talk:
        assert talk.ask("How many are blue?").answer == "1"
        with pytest.raises(Cut):
            talk.ask("And red?")
    painter.before = None
    model = reciter("1", *SCRIPT)
    assert agent(model=model).runs.resume("last").answer == "2"
    ((first, *_),) = model.opened
    assert first.question == "How many are blue?"


def test_a_file_that_is_no_database_is_left_alone(agent: Make, picture_file: Path) -> None:
    before = picture_file.read_bytes()
    with pytest.raises(SetupError, match=r"not a database; see that .* is a database of runs"):
        agent(checkpoint=f"sqlite:{picture_file}").runs.all()
    assert picture_file.read_bytes() == before


@pytest.mark.parametrize(
    ("checkpoint", "told"),
    [
        ("runs.db", "no checkpoint 'runs.db'; known: sqlite:"),
        ("sqlite:", "does not say where; write sqlite:runs.db"),
        ("mysql://me:secret@host/x", r"no checkpoint 'mysql://me:\*\*\*@host/x'"),
    ],
)
def test_a_place_that_is_none_is_refused(checkpoint: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Agent(checkpoint=checkpoint)


def test_a_database_that_cannot_be_used_names_the_cure(
    agent: Make, tmp_path: Path, picture_file: Path
) -> None:
    with pytest.raises(SetupError, match=r"cannot use sqlite:.*see that the folder exists"):
        agent(checkpoint=f"sqlite:{tmp_path}/none/runs.db").runs.all()
    url = f"postgres://me:secret@/x?host={tmp_path}"
    with pytest.raises(SetupError, match=r"cannot use postgres:.*see that the server runs") as told:
        agent(checkpoint=url).runs.all()
    assert "secret" not in str(told.value)


def test_an_agent_without_a_checkpoint_keeps_nothing(agent: Make) -> None:
    with pytest.raises(InputError, match="keeps no runs"):
        agent(checkpoint=None).runs.all()


def test_records_are_plain_json(cut_off: Callable[..., str], checkpoint: str) -> None:
    import sqlite3

    run = cut_off()
    with sqlite3.connect(checkpoint.removeprefix("sqlite:")) as database:
        (record,) = database.execute("SELECT record FROM foveal_runs").fetchone()
    told = json.loads(record)
    assert (told["run"], told["asked"]["question"]) == (run, "How many?")
    assert told["profile"] == {"name": "embedded", "settings": {}}
