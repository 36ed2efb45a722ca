"""What each tool was good for: how often it was asked, was right, and caused the answer."""

from collections.abc import Sequence

from foveal.agent.actions import PERCEPTIONS, PerceptionKind
from foveal.evals.score import wilson
from foveal.evals.scored import Frozen, Scored


class Use(Frozen):
    """One tool's part in an evaluation."""

    calls: float
    """How often it was asked, per question."""
    share: float
    """Questions in which it was asked, of all."""
    judged: int
    """Replies whose truth is known."""
    right: int
    """Those that were true."""
    accuracy: float | None
    """None where nothing could be judged."""
    interval: tuple[float, float]
    """Wilson's 95 % interval of the accuracy."""
    caused: float | None = None
    """Of the questions in which it was asked: the answer is right, and without looking it would have been another;
    None where that was not asked."""


def helped(rows: Sequence[Scored], verified: bool) -> dict[PerceptionKind, Use]:
    """The tools that were asked, in the order of the actions."""
    asked = {hop.action.kind for row in rows for hop in row.result.hops}
    return {kind: _use(kind, rows, verified) for kind in PERCEPTIONS if kind in asked}


def _use(kind: PerceptionKind, rows: Sequence[Scored], verified: bool) -> Use:
    replies = [
        right
        for row in rows
        for hop, right in zip(row.result.hops, row.judged, strict=True)
        if hop.action.kind == kind
    ]
    known = [right for right in replies if right is not None]
    using = [row for row in rows if any(hop.action.kind == kind for hop in row.result.hops)]
    return Use(
        calls=len(replies) / len(rows),
        share=len(using) / len(rows),
        judged=len(known),
        right=sum(known),
        accuracy=sum(known) / len(known) if known else None,
        interval=wilson(sum(known), len(known)),
        caused=sum(map(caused, using)) / len(using) if verified else None,
    )


def caused(row: Scored) -> bool:
    """Whether looking made the answer right: without it there was another one."""
    return row.right and row.result.faithful is not None and row.result.faithful.depends
