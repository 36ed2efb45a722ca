"""Who gets a request, and who waits."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from foveal.tools.ray_route import Replica, Router, State, ranked


def replicas(*outstanding: int) -> list[Replica]:
    return [
        Replica(f"detector/{n}", None, state="open", outstanding=count)
        for n, count in enumerate(outstanding)
    ]


def router(*outstanding: int, room: int = 4, slack: int = 1, affine: bool = False) -> Router:
    return Router(replicas(*outstanding), room, slack, affine)


async def got(router: Router, image: str = "a", alone: bool = False) -> Replica:
    replica = await asyncio.wait_for(router.slot(image, alone), 60)
    assert replica is not None
    return replica


async def waiting(router: Router, count: int = 1) -> None:
    while len(router._waiting) < count:
        await asyncio.sleep(0)


async def test_of_two_the_less_busy_is_asked() -> None:
    two = router(3, 1)
    assert (await got(two)).key == "detector/1"
    assert [one.outstanding for one in two.replicas] == [3, 2]


async def test_of_many_the_busiest_is_never_asked() -> None:
    many = router(0, 0, 0, 3)
    for _ in range(40):
        replica = await got(many)
        assert replica.outstanding <= 3
        assert replica.key != "detector/3"
        many.leave(replica)


@pytest.mark.parametrize("state", ["joining", "away", "late", "dead"])
async def test_only_open_replicas_are_asked(state: State) -> None:
    two = router(0, 0)
    two.replicas[0].state = state
    assert {(await got(two)).key for _ in range(4)} == {"detector/1"}


async def test_an_image_returns_to_where_it_is_known() -> None:
    many = router(0, 0, 0, 0, affine=True)
    for image in ("a", "b", "c", "d"):
        asked = [await got(many, image) for _ in range(2)]
        assert {one.key for one in asked} == {ranked(image, many.replicas)[0].key}
        for one in asked:
            many.leave(one)


async def test_unless_its_favourite_is_clearly_busier() -> None:
    two = router(0, 0, affine=True, slack=1)
    first, second = ranked("a", two.replicas)
    first.outstanding = 1
    assert await got(two) is first
    assert await got(two) is second


def test_favourites_are_spread_and_survive_a_loss() -> None:
    many, images = replicas(0, 0, 0, 0), [f"{n}" for n in range(200)]
    before = {image: ranked(image, many)[0].key for image in images}
    assert min(Counter(before.values()).values()) > 25
    after = {image: ranked(image, many[:3])[0].key for image in images}
    moved = {image for image in images if after[image] != before[image]}
    assert moved == {image for image in images if before[image] == "detector/3"}


async def test_callers_wait_for_room_and_none_is_overtaken() -> None:
    one = router(0, room=2)
    held, order = [await got(one), await got(one)], list[str]()

    async def caller(name: str) -> None:
        replica = await got(one)
        order.append(name)
        assert replica.outstanding <= 2
        one.leave(replica)

    callers = []
    for name in ("first", "second", "third"):
        callers.append(asyncio.create_task(caller(name)))
        await waiting(one, len(callers))
    assert one.replicas[0].outstanding == 2
    one.leave(held[0])
    await asyncio.gather(*callers)
    assert order == ["first", "second", "third"]
    assert one.replicas[0].outstanding == 1


async def test_a_caller_who_gives_up_takes_no_room() -> None:
    one = router(0, room=1)
    held = await got(one)
    caller, other = asyncio.create_task(got(one)), asyncio.create_task(got(one))
    await waiting(one, 2)
    caller.cancel()
    one.leave(held)  # granted and cancelled at the same time
    assert await other is held
    assert caller.cancelled()
    assert held.outstanding == 1


async def test_a_caller_who_gives_up_while_it_is_given_room_passes_it_on() -> None:
    one = router(0, room=1)
    held = await got(one)
    caller, other = asyncio.create_task(got(one)), asyncio.create_task(got(one))
    await waiting(one, 2)
    one.leave(held)
    caller.cancel()
    assert await other is held
    assert held.outstanding == 1


async def test_a_suspect_gets_a_replica_of_its_own() -> None:
    two = router(1, 0)
    suspect = await got(two, alone=True)
    assert suspect.key == "detector/1"
    assert (await got(two)).key == "detector/0"
    two.leave(suspect)
    assert (await got(two)).key == "detector/1"


async def test_a_suspect_waits_for_an_idle_replica_and_then_it_is_its_turn() -> None:
    one = router(0)
    held = await got(one)
    suspect = asyncio.create_task(got(one, alone=True))
    await waiting(one)
    later = asyncio.create_task(got(one))  # there is room, but not before those who wait
    await waiting(one, 2)
    one.leave(held)
    await suspect
    assert not later.done()
    one.leave(held)
    await later


async def test_a_replica_that_opens_serves_who_waits() -> None:
    one = router(0)
    one.turn(one.replicas[0], "joining")
    caller = asyncio.create_task(got(one))
    await waiting(one)
    one.turn(one.replicas[0], "open")
    assert await caller is one.replicas[0]


@pytest.mark.parametrize(
    "end",
    [lambda one: one.turn(one.replicas[0], "dead"), lambda one: one.end()],
    ids=["dead", "closed"],
)
async def test_nobody_waits_for_the_dead(end: Callable[[Router], None]) -> None:
    one = router(0, room=1)
    await got(one)
    caller = asyncio.create_task(one.slot("a"))
    await waiting(one)
    end(one)
    assert await caller is None
    assert await one.slot("a") is None


async def test_callers_may_have_loops_of_their_own() -> None:
    one = router(0, room=1)
    held = await got(one)
    elsewhere = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(got(one))))
    await waiting(one)
    one.leave(held)
    assert await elsewhere is held


async def test_a_loop_that_is_gone_takes_no_room() -> None:
    one = router(0, room=1)
    held = await got(one)
    loop = asyncio.new_event_loop()
    forgotten = loop.create_task(one.slot("a"))
    await asyncio.to_thread(loop.run_until_complete, asyncio.sleep(0))
    assert len(one._waiting) == 1
    forgotten._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()
    other = asyncio.create_task(got(one))
    await waiting(one, 2)
    one.leave(held)
    assert await other is held
    assert held.outstanding == 1
