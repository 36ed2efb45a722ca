"""A person at the terminal: shown what an action would do, asked whether it may."""

import shlex
import sys

from foveal.agent.errors import InputError
from foveal.graphs.approval import ApprovalNeeded, Decision, Pending, outcome_of
from foveal.graphs.durable.place import place_of
from foveal.terminal import printable
from foveal.words import asked

QUESTION = "   enter accepts, r [reason] rejects{edit}: "
EDITS = {"detect": ", another phrase detects that instead", "reencode": ""}
ELSEWHERE = ", x0,y0,x1,y1 does it there instead"
WAITS = 3
"""The exit code of a run that was left waiting for a person."""


def somebody_there() -> bool:
    """Whether there is a person to ask."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def asked_person(waiting: ApprovalNeeded) -> dict[str, Decision]:
    """What the person at the terminal says to each action that waits."""
    return {one.id: _decision(one) for one in waiting.pending}


def decision_of(region: str | None, phrase: str | None) -> Decision:
    """An edit, as typed. Raises InputError when it is none."""
    try:
        corners = None if region is None else tuple(float(part) for part in region.split(","))
        if corners is not None and len(corners) != 4:
            raise ValueError("four numbers")
        return Decision.model_validate({"kind": "edit", "region": corners, "phrase": phrase})
    except ValueError:
        given = region if region is not None else phrase
        raise InputError(
            f"cannot use {given!r}; write a region as X0,Y0,X1,Y1 in pixels, or a phrase in words"
        ) from None


def waiting_line(pending: Pending) -> str:
    """What an action would do, and where, in words."""
    places = [",".join(f"{v:g}" for v in mark.box.xyxy) for mark in pending.marks]
    names = {mark.index: mark.label for mark in pending.marks if mark.index}
    where = f" (pixels {'; '.join(places)})" if places else ""
    return f"{asked(pending.action, names)}{where}"


def how_to_go_on(waiting: ApprovalNeeded, checkpoint: str | None) -> str:
    """One line for whoever finds a run waiting: what waits, and the command that decides."""
    shown = "; ".join(waiting_line(one) for one in waiting.pending)
    place = f" --checkpoint {shlex.quote(str(place_of(checkpoint)))}" if checkpoint else ""
    command = f"agent resume {waiting.run}{place}"
    return (
        f"run {waiting.run} waits for approval: {shown}; go on with `{command} --accept`, "
        "or --reject REASON, or --region X0,Y0,X1,Y1"
    )


def _decision(pending: Pending) -> Decision:
    edit = EDITS.get(pending.action.kind, ELSEWHERE)
    sys.stderr.write(f" ? {printable(waiting_line(pending))}\n")
    while True:
        sys.stderr.write(QUESTION.format(edit=edit))
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            raise KeyboardInterrupt  # the terminal is gone, or ctrl-d: the run stays where it is
        try:
            return _checked(_parsed(line.strip(), pending), pending)
        except InputError as error:
            sys.stderr.write(f"   {error}\n")


def _parsed(line: str, pending: Pending) -> Decision:
    if line.lower() in ("", "a", "y", "accept", "yes"):
        return Decision.accept()
    word, _, reason = line.partition(" ")
    if word.lower() in ("r", "n", "reject", "no"):
        return Decision.reject(reason.strip())
    if pending.action.kind == "detect":
        return decision_of(None, line)
    return decision_of(line, None)


def _checked(decision: Decision, pending: Pending) -> Decision:
    outcome_of(decision, pending.action, pending.image, pending.size)
    return decision
