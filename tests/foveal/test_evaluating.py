"""`agent eval tabletop`: a table for people, one object for programs."""

import json
from collections.abc import Callable

import pytest

from foveal.cli import main
from foveal.evals.questions import FAMILIES

COUNT = len(FAMILIES)
WORDS = ["eval", "tabletop", "--limit", str(COUNT), "--seed", "5"]


def test_json_is_one_object_with_the_accuracy(
    recited: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    recited("1")
    assert main([*WORDS, "--tools", "none", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["accuracy"] == told["right"] / COUNT
    assert told["setting"] == {
        "task": "tabletop", "split": "test", "seed": 5, "profile": "embedded", "tools": [],
        "trigger": "none", "gate": None, "ablate": "", "verify": False, "families": [*FAMILIES],
    }  # fmt: skip
    assert set(told["families"]) == set(FAMILIES)


def test_people_get_a_table(
    recited: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    recited("yes")
    assert main(WORDS) == 0
    out, err = capsys.readouterr()
    rows = [line.split() for line in out.splitlines()]
    assert [row[0] for row in rows if row and row[0] in (*FAMILIES, "all")] == [*FAMILIES, "all"]
    assert "seed 5" in out
    assert err == ""


@pytest.mark.parametrize(
    "wrong",
    [
        ["--split", "dev"],
        ["--limit", "0"],
        ["--seed", "-1"],
        ["--tools", "fly"],
        ["--families", "smell"],
        ["--out", __file__],
        ["--profile", "tiny"],
        ["--ablate", "h"],
        ["--ablate", "h=own"],
        ["--ablate", "tools=none,tools=none"],
        ["--ablate", "tools=none", "--tools", "look"],
    ],
)
def test_bad_options_get_one_line(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*WORDS, *wrong]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)


def test_what_was_taken_away_is_in_the_report(
    recited: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    recited("yes")
    assert main([*WORDS, "--ablate", "tools=none", "--json"]) == 0
    setting = json.loads(capsys.readouterr().out)["setting"]
    assert (setting["tools"], setting["ablate"]) == ([], "tools=none")


def test_a_gate_is_reported_with_what_passes_it(
    recited: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    recited("yes")
    assert main([*WORDS, "--gate", "0.9"]) == 0
    out = capsys.readouterr().out
    assert "gate 0.9: 100.0% answered without looking" in " ".join(out.split())
    assert [line.split()[0] for line in out.splitlines() if line].count("without") == 1
    recited("yes")
    assert main([*WORDS, "--gate", "0.9", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["ended_by"], told["setting"]["gate"]) == ({"gate": COUNT}, 0.9)
    assert told["direct"]["right"] == told["right"]
