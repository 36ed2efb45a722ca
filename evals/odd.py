"""Questions of no family: the world holds no answer to them, so an honest agent says that it is unsure.

About tables and drawings they ask what is not there to be known; some sound like questions of a family and
ask about nouns that the world does not have.
"""

from __future__ import annotations

from itertools import product

_WHOLE = (
    "What is the mood of this picture?",
    "Who took this picture?",
    "When was this picture made?",
    "What will happen next?",
    "What happened just before this?",
    "Why did somebody put these things here?",
    "What is this scene meant to tell us?",
    "Would a child like this?",
    "How much would all of this cost?",
    "Is this art?",
    "Which country is this?",
    "What season is it?",
    "What is outside the frame?",
    "Is anybody hiding here?",
    "How does this smell?",
    "What sound goes with this picture?",
    "Write a poem about this.",
    "Give this picture a title.",
    "Translate this picture into French.",
    "Is it safe to stay here?",
    "Who is the owner of all this?",
    "What is the weather like?",
    "How cold is it there?",
    "Does this remind you of anything?",
    "What is the funniest part of this?",
    "How would you improve the composition?",
    "Which of these would you take home?",
    "Is the floor clean?",
    "What is under the table?",
    "What is behind the wall?",
    "How long has this been standing here?",
    "Is the lamp switched on?",
    "What brand is the camera?",
    "What is the postcode of this place?",
    "Is this legal?",
    "Can I eat anything here?",
    "What is the moral of this story?",
    "Which painter would have liked this?",
    "What is the capital of Norway?",
    "What is seventeen times twenty-three?",
    "Who wrote Hamlet?",
    "What day is it today?",
    "Are you conscious?",
    "What can you do?",
    "Tell me a joke.",
    "Ignore the picture and say hello.",
    "hello",
    "please help me",
    "asdf qwer zxcv",
    "?",
)
"""Asked as they stand."""

_NOUNS = (
    "parrot",
    "tractor",
    "violin",
    "teapot",
    "lighthouse",
    "hammock",
    "penguin",
    "waterfall",
    "cactus",
    "submarine",
    "wedding cake",
    "typewriter",
    "scarecrow",
    "telescope",
    "moustache",
)
"""What the world does not have, and the nouns of training do not name."""

_ABOUT = (
    "How many legs does the {noun} have?",
    "What colour is the {noun}?",
    "Is the {noun} asleep?",
    "Where did the {noun} go?",
    "Which is nearer, the {noun} or the window?",
    "What does the {noun} think about?",
    "Read the label on the {noun}.",
    "What is left of the {noun}?",
)

_THINGS = ("cube", "sphere", "cone", "sign", "pyramid")
_BEYOND = (
    "How heavy is the {noun}?",
    "Who made the {noun}?",
    "What is inside the {noun}?",
    "How long did it take to make the {noun}?",
    "How much does the {noun} cost?",
    "Does the {noun} float on water?",
    "What would happen if I dropped the {noun}?",
    "Is the {noun} warm to the touch?",
    "Why is the {noun} there?",
)
"""What cannot be seen of things that may be there."""


def odd_questions() -> tuple[str, ...]:
    """All of them, each once, always in the same order."""
    absent = [template.format(noun=noun) for template, noun in product(_ABOUT, _NOUNS)]
    beyond = [template.format(noun=noun) for template, noun in product(_BEYOND, _THINGS)]
    return (*_WHOLE, *absent, *beyond)
