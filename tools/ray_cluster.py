"""What a Ray cluster has, and whether a replica can ever run there."""

from collections.abc import Mapping
from typing import Any

from foveal.agent.errors import SetupError
from foveal.agent.pools import Pool

Resources = Mapping[str, float]


def require(name: str, pool: Pool) -> None:
    """Raise SetupError when no node is large enough for one replica: Ray would wait for ever."""
    nodes = [node["Resources"] for node in _nodes()]
    if any(holds(node, needed(pool)) for node in nodes):
        return
    asked = ", ".join(f"{kind} {amount:g}" for kind, amount in needed(pool).items())
    problem = f"no node is large enough for the {name}, which needs {asked}; the cluster has {said(nodes)}"
    raise SetupError(
        problem, f"lower it with --pool {name}.num_cpus=... or num_gpus=..., or add a node"
    )


def needed(pool: Pool) -> dict[str, float]:
    """What one replica reserves, in Ray's names."""
    kind = f"accelerator_type:{pool.accelerator_type}"
    asked = {"CPU": pool.num_cpus, "GPU": pool.num_gpus, kind: 0.001}
    if pool.accelerator_type is None:
        del asked[kind]
    return {name: amount for name, amount in asked.items() if amount}


def holds(node: Resources, request: Resources) -> bool:
    """Whether one node has all of it."""
    return all(node.get(kind, 0.0) >= amount for kind, amount in request.items())


def said(nodes: list[Resources]) -> str:
    """Each node's processors and accelerators, in words."""
    shown = [
        ", ".join(f"{kind} {node[kind]:g}" for kind in sorted(node) if _computes(kind)) or "nothing"
        for node in nodes
    ]
    if len(shown) == 1:
        return shown[0]
    return f"{len(shown)} nodes: " + "; ".join(shown[:8]) + ("; ..." if len(shown) > 8 else "")


def roomiest(request: Resources) -> str | None:
    """The node with most of what is asked for, by its id; None when no node is large enough."""
    kind = "GPU" if request.get("GPU") else "CPU"
    able = [node for node in _nodes() if holds(node["Resources"], request)]
    best = max(able, key=lambda n: (n["Resources"].get(kind, 0.0), n["NodeID"]), default=None)
    return None if best is None else str(best["NodeID"])


def store_capacity() -> int:
    """Bytes of this node's object store, or of the smallest when this one has none."""
    import ray

    here = ray.get_runtime_context().get_node_id()
    sizes = {
        node["NodeID"]: int(node["Resources"].get("object_store_memory", 0)) for node in _nodes()
    }
    return sizes.get(here) or min(filter(None, sizes.values()), default=0)


def free() -> list[Resources]:
    """What each node has left."""
    from ray._private import state

    left: dict[str, Resources] = state.available_resources_per_node()
    return list(left.values())


def stores() -> list[tuple[str, int, int]]:
    """Each node's address, and of its object store the bytes in use and the bytes there are."""
    from ray._private import state

    left = state.available_resources_per_node()
    kind = "object_store_memory"
    sizes = [(node, int(node["Resources"].get(kind, 0))) for node in _nodes()]
    return [
        (
            str(node["NodeManagerAddress"]),
            size - int(left.get(node["NodeID"], {}).get(kind, size)),
            size,
        )
        for node, size in sizes
    ]


def record(actor: Any) -> Mapping[str, Any]:
    """What the cluster knows of one actor: State, NumRestarts, Pid, Address, IsDetached; empty if nothing."""
    from ray._private import state  # the public listing needs a dashboard

    found: Mapping[str, Any] = state.actors(actor._actor_id.hex()) or {}
    return found


def _nodes() -> list[dict[str, Any]]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def _computes(kind: str) -> bool:
    return kind in {"CPU", "GPU"} or kind.startswith("accelerator_type:")
