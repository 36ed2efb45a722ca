"""The example that puts the agent inside a larger one."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "larger_agent.py"


@pytest.mark.slow
def test_the_report_is_right_and_leaves_the_rest_to_a_person(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLE], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    title, _, *lines = done.stdout.splitlines()
    assert title == "# tabletop.png"
    for line, beginning in zip(
        lines,
        (
            "- [x] How many red cubes are there? **3**, at [107, 94, 126, 117]",
            "- [x] Which is nearer, the black pyramid or the white pyramid? **white pyramid**, at ",
            "- [x] What does the orange sign say? **PEM**, at ",
            "- [ ] How many dogs are there? Look yourself: the detector of profile 'embedded' has no class",
        ),
        strict=True,
    ):
        assert line.startswith(beginning)
    assert {"detector", "reader", "depth"} == {
        line.removeprefix("asking the ") for line in done.stderr.splitlines()
    }
