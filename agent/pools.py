"""How many copies of a specialist a cluster runs, and what each may use: from a profile or from flags."""

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from foveal.agent.errors import InputError

SPECIALISTS = ("encoder", "detector", "segmenter", "depth", "reader")
"""Every specialist that a pool can be declared for."""


class Pool(BaseModel):
    """One specialist's replicas. What a flag sets replaces what the profile says; the rest stays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    replicas: int = Field(default=1, ge=1)
    """Processes that hold the weights; those the cluster has no room for start when it grows."""
    num_cpus: float = Field(default=0.25, ge=0)
    """Reserved by each replica; fractions are fine."""
    num_gpus: float = Field(default=0.0, ge=0)
    """Reserved by each replica; below one, replicas share a GPU."""
    accelerator_type: str | None = None
    """Only on nodes with this accelerator, as Ray names it: A100, H100, L4."""
    memory_fraction: float | None = Field(default=None, gt=0, le=1)
    """The share of its GPU's memory that a replica may allocate."""
    max_batch: int = Field(default=8, ge=1)
    """Requests answered at once, at most; running out of memory lowers it."""
    max_wait_ms: float = Field(default=5.0, ge=0)
    """How long a replica that is free waits for those it has just answered, and others, to fill its next batch;
    a request that comes alone does not wait."""
    max_queue: int = Field(default=32, ge=1)
    """Requests that one driver sends to a replica before it waits for answers."""
    max_restarts: int = Field(default=10, ge=-1)
    """Times a replica that died is started again; -1 for no limit."""
    retries: int = Field(default=3, ge=0)
    """Times a request is repeated when the replica that had it died."""
    deadline: float | None = Field(default=None, gt=0)
    """Seconds until an action counts as failed, waiting included; None for the dispatcher's own."""
    patience: float = Field(default=30.0, gt=0)
    """Seconds that a replica which missed a deadline may stay silent or stuck before it is restarted."""
    placement: Literal["default", "spread", "pack"] = "default"
    """Over nodes: as Ray chooses, as evenly as possible, or on one as long as it has room."""

    @field_validator("num_gpus")
    @classmethod
    def _shared_or_whole(cls, count: float) -> float:
        if count > 1 and count != int(count):
            raise ValueError("expected a share of one GPU, or a whole number of them")
        return count


def parsed(flags: Iterable[str]) -> dict[str, Pool]:
    """Pools from flags such as `detector.replicas=2`, with only the named fields set.

    Raises InputError naming a flag that cannot be used.
    """
    values: dict[str, dict[str, str]] = {}
    for flag in flags:
        target, equals, value = flag.partition("=")
        name, dot, field = target.partition(".")
        if not (equals and dot):
            raise InputError(f"pool {flag!r} is not like detector.replicas=2")
        if name not in SPECIALISTS:
            raise InputError(_unknown(name))
        if field not in Pool.model_fields:
            raise InputError(f"a pool has no {field!r}; it has: {', '.join(Pool.model_fields)}")
        values.setdefault(name, {})[field] = value
    return {name: _pool(name, fields) for name, fields in values.items()}


def merged(declared: Mapping[str, Pool], over: Mapping[str, Pool]) -> dict[str, Pool]:
    """The declared pools, with every field that `over` sets replaced."""
    pools = dict(declared)
    for name, pool in over.items():
        news = {field: getattr(pool, field) for field in pool.model_fields_set}
        pools[name] = pools.get(name, Pool()).model_copy(update=news)
    return pools


def known(pools: dict[str, Pool]) -> dict[str, Pool]:
    """The same pools. Raises ValueError for a name that is no specialist's."""
    for name in pools:
        if name not in SPECIALISTS:
            raise ValueError(_unknown(name))
    return pools


def _unknown(name: str) -> str:
    return f"no specialist {name!r}; known: {', '.join(SPECIALISTS)}"


def _pool(name: str, fields: Mapping[str, str]) -> Pool:
    try:
        return Pool.model_validate(dict(fields))
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{name}.{first['loc'][0]}={first['input']}"
        raise InputError(f"pool {where!r} cannot be used: {first['msg']}") from None
