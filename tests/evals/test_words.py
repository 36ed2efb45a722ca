import numpy as np

from foveal.evals.words import WORDS, sign_text


def test_signs_say_short_words_or_numbers() -> None:
    rng = np.random.default_rng(2)
    texts = [sign_text(rng) for _ in range(600)]
    numbers = [text for text in texts if text.isdigit()]
    words = [text for text in texts if not text.isdigit()]
    assert {len(number) for number in numbers} == {1, 2, 3}
    assert all(3 <= len(word) <= 6 and word.isalpha() and word.isupper() for word in words)
    assert 0.4 < np.mean([word in WORDS for word in words]) < 0.6
    assert 0.2 < len(numbers) / len(texts) < 0.4


def test_listed_words_are_distinct_and_fit() -> None:
    assert len(set(WORDS)) == len(WORDS) >= 80
    assert all(3 <= len(word) <= 6 for word in WORDS)
