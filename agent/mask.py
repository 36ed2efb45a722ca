"""Which tokens may come next, so that a local model cannot write a malformed action."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from foveal.agent.actions import GRID, PerceptionKind
from foveal.agent.grammar import FORMS, OBJECT_TOKENS, PERCEPTION_TOKENS, X_TOKENS, Y_TOKENS, Form

_BOUNDARIES: dict[str | None, Form | None] = {
    **{form.end: None for form in FORMS},
    **{form.start: form for form in FORMS},
}
"""Which form is open after a token, None for none; other tokens change nothing."""

_END = "<end of turn>"
MAX_PHRASE = 24
"""Tokens that a phrase may have before it must end."""


@dataclass(frozen=True)
class Allowed:
    """What may come next: some named tokens, and perhaps any token of ordinary text."""

    tokens: frozenset[str]
    text: bool = False


def following(
    turn: Sequence[str | None], tools: Iterable[PerceptionKind], objects: Iterable[int], end: str
) -> Allowed:
    """What may follow the tokens of a turn so far.

    `turn` holds the spelling of perception tokens and None for every token of ordinary text; `objects` are
    the numbers that may be referred to, and `end` is the token that closes a turn.
    """
    known = frozenset(OBJECT_TOKENS[index - 1] for index in objects)
    form, inside = _open(turn)
    if form is not None:
        return _inside(form, inside, known)
    kinds = frozenset(tools)
    usable = frozenset(f.start for f in FORMS if f.kind in kinds and _possible(f, known))
    acted = any(token is not None for token in turn)
    closing = frozenset({end}) if turn else frozenset()
    return Allowed(usable | closing, text=not acted)


def _open(turn: Sequence[str | None]) -> tuple[Form | None, Sequence[str | None]]:
    for position in range(len(turn) - 1, -1, -1):
        if turn[position] in _BOUNDARIES:
            return _BOUNDARIES[turn[position]], turn[position + 1 :]
    return None, ()


def _possible(form: Form, known: frozenset[str]) -> bool:
    return form.regions or form.text or bool(form.fixed) or form.least == 0 or bool(known)


def _inside(form: Form, inside: Sequence[str | None], known: frozenset[str]) -> Allowed:
    close = frozenset({form.end})
    if form.fixed:
        return Allowed(close if inside else frozenset({form.fixed}))
    if form.text:
        if len(inside) >= MAX_PHRASE:
            return Allowed(close)
        return Allowed(close if inside else frozenset(), text=True)
    return Allowed(_targets(form, [token for token in inside if token], known, close))


def _targets(
    form: Form, inside: list[str], known: frozenset[str], close: frozenset[str]
) -> frozenset[str]:
    cells: list[str] = []
    count = 0
    for token in inside:
        if token in OBJECT_TOKENS:
            count += 1
            continue
        cells.append(token)
        if len(cells) == 4:
            count, cells = count + 1, []
    if cells:
        return _cell(cells)
    more: frozenset[str] = frozenset()
    if count < form.most:
        fresh = known.difference(inside) if form.objects else frozenset()
        more = fresh | (frozenset(X_TOKENS) if form.regions else frozenset())
    return more | (close if count >= form.least else frozenset())


def _cell(cells: list[str]) -> frozenset[str]:
    """After left comes top, then a right and a bottom that are not before them."""
    axis = (X_TOKENS, Y_TOKENS)[len(cells) % 2]
    first = axis.index(cells[len(cells) - 2]) if len(cells) >= 2 else 0
    return frozenset(axis[first:GRID])


class Vocabulary:
    """The perception tokens of one tokenizer, by id. Resolved by string: ids differ between checkpoints."""

    def __init__(self, ids: Mapping[str, int], size: int, silent: Iterable[int], end: int) -> None:
        """`ids` maps token strings to ids, `silent` are ids that are never text, `end` closes a turn."""
        self.ids = {token: ids[token] for token in PERCEPTION_TOKENS if token in ids}
        self.end = end
        self.size = size
        self._spelling = {number: token for token, number in self.ids.items()}
        self._named = {_END: end} | self.ids
        hidden = {*silent, *self._spelling, end}
        self.text = np.setdiff1d(np.arange(size), [*hidden])
        """Ids of ordinary text, as one array: there may be a hundred thousand."""

    def spelling(self, token: int) -> str | None:
        """A perception token's name, None for ordinary text."""
        return self._spelling.get(token)

    def allowed(
        self, turn: Sequence[int], tools: Iterable[PerceptionKind], objects: Iterable[int]
    ) -> tuple[list[int], bool]:
        """Ids of the named tokens that may follow a turn, and whether any text may."""
        may = following([self._spelling.get(token) for token in turn], tools, objects, _END)
        return sorted(self._named[token] for token in may.tokens if token in self._named), may.text
