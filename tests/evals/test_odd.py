from foveal.evals import phrasings
from foveal.evals.odd import odd_questions
from foveal.training import nouns


def test_there_are_two_hundred_different_ones() -> None:
    assert len(set(odd_questions())) == len(odd_questions()) >= 200
    assert odd_questions() == odd_questions()


def test_none_is_of_a_family_or_was_trained_on() -> None:
    templates = [
        t for name, t in vars(phrasings).items() if name.isupper() and isinstance(t, tuple)
    ]
    asked = {t.format(one="the cube", an="a cube", many="cubes", few="signs", a="x", b="y")
             for group in templates for t in group}  # fmt: skip
    assert not asked & set(odd_questions())
    about = {t.format(a=noun, b=noun) for t in nouns.OPEN_QUESTIONS for noun in ("cube", "violin")}
    assert not about & set(odd_questions())
