"""`agent serve --ray`: a cluster joined or started, its specialists, and the replicas on them."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from foveal.agent.errors import InputError
from foveal.agent.pools import parsed
from foveal.agent.profiles import Profile
from foveal.agent.settings import exported, settings
from foveal.batch_staff import LOCAL, Staff
from foveal.graphs.crowd import Hire, joined
from foveal.http.limits import GRACE
from foveal.http.question import Menu
from foveal.http.replicas import Replicas, Scale
from foveal.tools.extras import needs

if TYPE_CHECKING:
    from foveal.http.serving import Order


@asynccontextmanager
async def replicas(
    order: "Order", profile: Profile, menu: Menu, address: str, say: Callable[[str], None]
) -> AsyncGenerator[Replicas, None]:
    """Replicas as ordered, for the server at an address; everything that was started is stopped with the block.

    Raises InputError, and SetupError without a cluster.
    """
    with needs("serve-ray"):
        import ray.serve  # noqa: F401
    few, many = order.scale
    gpus, seconds = _gpus(order, profile), order.seconds + GRACE
    scale = Scale(few, many, order.in_flight, order.replica_cpus, gpus, seconds)
    staff = _staff(order, profile, menu, scale)
    with joined(None if order.ray == LOCAL else order.ray):
        async with staff.specialists():
            name = f"foveal {address.partition('//')[2].replace('/', '')}"
            made = Replicas(staff.make(), exported(settings()), scale, name, say)
            try:
                yield made
            finally:
                if order.ray != LOCAL:  # else they end with Ray
                    await asyncio.to_thread(made.close)


def _staff(order: "Order", profile: Profile, menu: Menu, scale: Scale) -> Staff:
    return Staff(
        profile,
        _named(order),
        menu.tools,
        menu.budgets,
        None if order.trace is None else Path(order.trace).absolute(),
        Hire(scale.many, scale.in_flight, scale.num_cpus, scale.num_gpus),
        order.ray,
        parsed(order.pools),
        menu.gate,
    )


def _named(order: "Order") -> str | None:
    """What the profile is called on every machine, where its weights may lie elsewhere."""
    name = order.profile or settings().profile
    made = any((order.model, order.trigger, order.base_url, order.specialists))
    return None if made or name.endswith(".toml") else name


def _gpus(order: "Order", profile: Profile) -> float:
    on_gpu = profile.device != "cpu"
    if order.replica_gpus is None:
        return 1.0 if profile.device.startswith("cuda") else 0.0
    if order.replica_gpus and not on_gpu:
        raise InputError(
            f"--replica-gpus {order.replica_gpus:g} would idle: the device is 'cpu'; set FOVEAL_DEVICE=cuda"
        )
    return order.replica_gpus
