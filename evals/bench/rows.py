"""Every row by name, and measuring those that are asked for."""

from collections.abc import Callable, Collection, Iterator, Mapping

from foveal.agent.errors import InputError, SetupError
from foveal.evals.bench import decoding, reencoding, segmenting
from foveal.evals.bench.batching import batching
from foveal.evals.bench.checkpoint import checkpoint
from foveal.evals.bench.overhead import overhead
from foveal.evals.bench.row import Family, Row, Spec, judged, unmeasured
from foveal.evals.bench.transport import transport

ROWS: dict[str, Spec] = {
    "image-http": Spec(
        "4K image to an actor and back: time of JPEG and base64 over HTTP, over ours",
        25,
        transport,
    ),
    "image-pil": Spec(
        "4K image to an actor and back: time of a PIL image put per call, over ours", 20, transport
    ),
    "batch-singly": Spec(
        "16 clients of a simulated specialist (20 ms + 4 ms an image): our rate over one at a time",
        3.5,
        batching,
    ),
    "batch-serve": Spec(
        "16 clients of a simulated specialist: our rate over Ray Serve's @serve.batch",
        1.3,
        batching,
    ),
    "segment-again": Spec(
        "SAM ViT-B: time of the first prompt on an image, over the second",
        10,
        segmenting.base,
    ),
    "segment-again-embedded": Spec(
        "the embedded SAM: time of the first prompt on an image, over the second",
        3,
        segmenting.embedded,
    ),
    "hop-overhead": Spec("graph and dispatch per hop, inline: 5 ms over the time", 1, overhead),
    "checkpoint-size": Spec(
        "checkpoint of a 10-hop run: 64 KiB over the file's size", 1, checkpoint
    ),
    "decode-8-tiny": Spec(
        "8 conversations, embedded model: rate together over one by one", 2.5, decoding.tiny
    ),
    "decode-8-2b": Spec(
        "8 conversations, 2B-shaped model: rate together over one by one", 2.5, decoding.large
    ),
    "reencode-token-tiny": Spec(
        "a decoded token after a re-encoding, tiny model: time of the published two passes, over ours",
        2,
        reencoding.tiny,
    ),
    "second-hop-prefill": Spec(
        "tokens that a re-encoding adds, over those computed for it", 1, reencoding.tiny
    ),
    "session-memory": Spec(
        "how much keys and values swell while a token is decoded: the two passes over ours",
        2,
        reencoding.tiny,
    ),
    "reencode-token-2b": Spec(
        "a decoded token after a re-encoding, 2B-shaped model: time of the two passes, over ours",
        2,
        reencoding.large,
    ),
}


def named(only: Collection[str] | None) -> list[str]:
    """The names of the rows to measure, in the table's order. Raises InputError for one that does not exist."""
    for name in only or ():
        if name not in ROWS:
            raise InputError(f"no benchmark {name!r}; known: {', '.join(ROWS)}")
    return [name for name in ROWS if not only or name in only]


def measured(
    names: Collection[str],
    rounds: int | None = None,
    rows: Mapping[str, Spec] = ROWS,
    on_family: Callable[[Collection[str]], None] = lambda names: None,
) -> Iterator[Row]:
    """The rows with these names as they are measured; rows that share a family share its run.

    `on_family` is told which rows are measured next.
    """
    for family, together in _families(names, rows).items():
        on_family(together)
        yield from _of(family, together, rounds, rows)


def _families(names: Collection[str], rows: Mapping[str, Spec]) -> dict[Family, list[str]]:
    families: dict[Family, list[str]] = {}
    for name in names:
        families.setdefault(rows[name].family, []).append(name)
    return families


def _of(
    family: Family, names: list[str], rounds: int | None, rows: Mapping[str, Spec]
) -> Iterator[Row]:
    try:
        findings = family(rounds)
    except SetupError as error:
        yield from (unmeasured(name, rows[name], str(error)) for name in names)
        return
    yield from (judged(name, rows[name], findings[name]) for name in names)
