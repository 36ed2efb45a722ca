"""Going back: another run that begins at a hop of one that was kept, maybe with another observation there."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from foveal.agent.actions import PerceptionKind
from foveal.agent.errors import InputError
from foveal.agent.observations import Detected, Observation
from foveal.agent.transcript import Observed, found_objects, numbered
from foveal.graphs.course import Resumption, run_id, traced
from foveal.graphs.durable.keeper import Keeper
from foveal.graphs.durable.keeping import pointed_at
from foveal.graphs.durable.record import Record
from foveal.graphs.durable.resuming import Wanted, kept_in, must_suit, taken_up
from foveal.graphs.result import Fork, Hop, Result
from foveal.graphs.run import Parts
from foveal.graphs.state import Entry

REPLIES: dict[PerceptionKind, str] = {
    "look": "looked",
    "reencode": "reencoded",
    "detect": "detected",
    "segment": "segmented",
    "depth": "ranged",
    "read": "recognised",
}
"""What comes back for which action, unless it failed."""
BOXES = ("box", "pixels", "source")

_OBSERVATIONS: TypeAdapter[Observation] = TypeAdapter(Observation)


async def fork(
    run: str, hop: int, parts: Parts, wanted: Wanted, observation: Observation | Any = None
) -> Result:
    """The result of another run that has everything up to a hop (from 1) of this one, which stays as it is.

    `observation` takes the place of what came back then, as an `Observation` or its JSON. Raises InputError when
    the run has no such hop or the observation is not one that its action can bring.
    """
    keeper = kept_in(parts)
    record, _ = await keeper.found(run)
    must_suit(record, parts)
    values = await _at(hop, record, keeper)
    seen: Hop = values["hops"][hop - 1]
    other = None if observation is None else _read(observation, seen, record)
    made = _branched(record, Fork(run=record.run, hop=hop, observation=other is not None), parts)
    branch = _values(values, hop, other) | {"run": made.run, "fork": made.fork}
    await keeper.restore(record.run, parts.store)
    if other is not None:
        _must_be_seen(other, record, parts)
    await keeper.begin_from(made, branch, "observe", record.run)
    async with keeper.held(made.run):
        resumed = Resumption(tuple(branch["hops"]), fork=made.fork)
        return await taken_up(made, parts, wanted, resumed, branch)


def observation_file(path: str | Path) -> Any:
    """What a file with an observation holds, as JSON. Raises InputError when it cannot be read."""
    try:
        return json.loads(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"cannot read observation {str(path)!r}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"observation {str(path)!r} is not valid JSON: {error}") from None


async def _at(hop: int, record: Record, keeper: Keeper) -> Mapping[str, Any]:
    """The values of the first step that has so many hops."""
    if keeper.place.lean:
        raise InputError(
            f"{keeper.place} keeps only a run's latest step; keep runs in sqlite:PATH to go back"
        )
    most = 0
    for state in await keeper.history(record.run):
        most = len(state.values.get("hops", ()))
        if 1 <= hop <= most:
            return dict(state.values)
    has = f"it has hops 1 to {most}" if most else "it has none"
    raise InputError(f"run {record.run} has no hop {hop}; {has}")


def _branched(record: Record, origin: Fork, parts: Parts) -> Record:
    """The record of the fork. It looks already, so nothing is asked without looking first."""
    run = run_id()
    folder = parts.trace_dir or (Path(record.trace).parent if record.trace else None)
    changes: dict[str, Any] = {
        "run": run,
        "began": datetime.now(UTC),
        "fork": origin,
        "gate": None,
        "trace": str(traced(folder, run).absolute()) if folder else None,
    }
    return record.model_copy(update=changes)


def _values(values: Mapping[str, Any], hop: int, other: Observation | None) -> dict[str, Any]:
    """A step's values, with another observation in the place of one hop's."""
    items, hops = list(values["items"]), list(values["hops"])
    places = [n for n, item in enumerate(items) if isinstance(item, Observed)]
    if other is not None:
        for position in range(hop - 1, len(hops)):  # those of the same turn are numbered after it
            told = other if position == hop - 1 else hops[position].observation
            if position > hop - 1 and (hops[position].repeated or not isinstance(told, Detected)):
                continue
            changed = {"observation": _numbered(told, items[: places[position]])}
            items[places[position]] = items[places[position]].model_copy(update=changed)
            hops[position] = hops[position].model_copy(update=changed)
    kept = {name: values[name] for name in ("asked", "past", "budgets", "spent") if name in values}
    return kept | {"items": items, "hops": hops, "over": None, "misfit": None}


def _numbered(observation: Observation, before: list[Entry]) -> Observation:
    if isinstance(observation, Detected):
        return numbered(observation, len(found_objects(before)))
    return observation


def _read(given: Observation | Any, hop: Hop, record: Record) -> Observation:
    image = record.asked.picked(hop.image).image
    try:
        found = _OBSERVATIONS.validate_python(_spelled_out(given, image))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "kind"
        raise InputError(f"this is no observation ({where}: {first['msg']})") from None
    if found.kind not in (REPLIES[hop.action.kind], "failed"):
        raise InputError(
            f"a {hop.action.kind} does not bring {found.kind!r}; "
            f"give a {REPLIES[hop.action.kind]!r} or a 'failed' observation"
        )
    return found


def _spelled_out(given: Any, image: str) -> Any:
    """Boxes may be written as four numbers, in pixels of the image; a view shows what it was cut from."""
    if isinstance(given, list):
        return [_spelled_out(one, image) for one in given]
    if not isinstance(given, dict):
        return given
    whole = {
        key: {"image": image, "xyxy": value}
        if key in BOXES and isinstance(value, list)
        else _spelled_out(value, image)
        for key, value in given.items()
    }
    if "pixels" in whole:
        whole.setdefault("source", whole["pixels"])
    return whole


def _must_be_seen(observation: Observation, record: Record, parts: Parts) -> None:
    """Raise InputError for an observation that points at pictures which nobody has."""
    originals = {one.image for one in record.asked.images}
    for key in pointed_at(observation):
        if key not in originals and key not in parts.store:
            raise InputError(
                f"the observation shows {key[:12]}..., which run {record.run} never saw; "
                "show a part of its image: pixels as [x0, y0, x1, y1], without tokens"
            )
