"""Numbers about workers."""

from foveal.tools.gauges import Meter, Stats, total


def test_percentiles_are_latencies_that_occurred() -> None:
    stats = Stats(seconds=[0.4, 0.1, 0.3, 0.2])
    assert [stats.percentile(share) for share in (0.0, 0.25, 0.5, 0.95, 1.0)] == [
        0.1,
        0.1,
        0.2,
        0.4,
        0.4,
    ]
    assert Stats().percentile(0.5) == 0


def test_the_mean_batch() -> None:
    assert Stats(batches={1: 2, 4: 1}).mean_batch == 2
    assert Stats().mean_batch == 0


def test_several_workers_as_one() -> None:
    one = Stats(1, 2, 3, 1, {1: 3}, [0.1], hits=1, misses=2, cached_bytes=5, largest=8)
    other = Stats(1, 0, 4, 0, {1: 1, 3: 1}, [0.3], hits=2, misses=0, out_of_memory=1, largest=4)
    assert total([one, other]) == Stats(
        2, 2, 7, 1, {1: 4, 3: 1}, [0.1, 0.3], 3, 2, 5, out_of_memory=1, largest=4
    )
    assert total([]) == Stats(seconds=[])


def test_the_meter_counts_batches_and_failures() -> None:
    meter = Meter()
    meter.note([0.1, 0.2], failed=1)
    meter.note([0.3], failed=0)
    assert (meter.finished, meter.answered, meter.failed) == (2, 3, 1)
    assert dict(meter.batches) == {2: 1, 1: 1}
    assert list(meter.seconds) == [0.1, 0.2, 0.3]
