"""One run of ten hops over every kind of action, recited; the specialists cost nothing."""

from collections.abc import Mapping

from foveal.agent.scripted import ScriptedModel
from foveal.evals.bench.standins import Instant
from foveal.graphs.budgets import Budgets
from foveal.graphs.run import Parts
from foveal.tools.catalogue import Crew
from foveal.tools.dispatch import InlineDispatcher
from foveal.tools.store import ImageStore

HOPS = (
    "<|detect_start|>red cube<|detect_end|>",
    "<|segment_start|><|obj_1|><|segment_end|>",
    "<|region_token_start|><|x_1|><|y_1|><|x_3|><|y_4|><|region_token_end|>",
    "<|depth_start|><|obj_1|><|obj_2|><|obj_3|><|depth_end|>",
    "<|detect_start|>blue sphere<|detect_end|>",
    "<|look_start|><|obj_4|><|look_end|>",
    "<|segment_start|><|obj_5|><|segment_end|>",
    "<|detect_start|>green cone<|detect_end|>",
    "<|clip_action_start|><|clip_action|><|clip_action_end|>",
    "<|depth_start|><|obj_4|><|obj_7|><|depth_end|>",
)
ANSWER = "the red cube"
QUESTION = "What is nearest to the green cone?"


def crew() -> tuple[Crew, Mapping[str, Instant]]:
    """Specialists for every action, and the very ones that will answer."""
    made = {name: Instant() for name in ("detector", "segmenter", "depth", "encoder")}
    return {name: (lambda one=one: one) for name, one in made.items()}, made


def parts(hops: int, store: ImageStore, specialists: Crew) -> Parts:
    """What a run of that many hops works with, specialists in this process."""
    more = (f"<|detect_start|>thing {n}<|detect_end|>" for n in range(len(HOPS), hops))
    return Parts(
        ScriptedModel([*HOPS[:hops], *more, ANSWER]),
        InlineDispatcher(store, specialists),
        store,
        budgets=Budgets(hops=hops + 1, actions=hops + 1),
    )
