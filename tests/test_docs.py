"""What the pages show is what happens: their examples run, in the order in which a reader meets them.

A listed page runs whole: its `python` and `console` blocks share one namespace and one folder, with `examples/` in
it. A block stays out with a reason alone, on the line above it: `<!-- not run: it downloads 5 GB -->`. What a page
shows as printed is compared: times are not, and `...` stands for anything. A `text` block right
below a `python` one shows what it prints.
"""

import contextlib
import doctest
import io
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "docs/batch.md",
    "docs/checkpoints.md",
    "docs/cluster.md",
    "docs/design.md",
    "docs/durable.md",
    "docs/evaluate.md",
    "docs/images.md",
    "docs/index.md",
    "docs/langgraph.md",
    "docs/mcp.md",
    "docs/models.md",
    "docs/performance.md",
    "docs/python.md",
    "docs/results.md",
    "docs/shell.md",
    "docs/trace.md",
    "docs/train.md",
)
"""Pages whose every example runs, or says why it does not."""
ELSEWHERE = {
    "docs/serve.md": "tests/foveal/http/test_page.py",
    "docs/specialists.md": "tests/foveal/test_specialists.py",
}
"""Pages that need something started or installed first, and the tests that run their examples."""
WIDTH = 80
"""Columns of the terminal in which commands run."""
PATIENCE = 300.0
"""Seconds after which a block of commands is taken to hang."""

_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<why>[^\n]+) -->\n+)?"
    r"^(?P<fence>`{3,})(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07|\r")
_MARK = re.compile(r"\n?\x1e(\d+)\x1e\n")
_TIME = re.compile(r"\b\d+(?:\.\d+)? (m?s)\b")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page that runs."""

    language: str
    line: int
    """Of its first line of text, from 1."""
    text: str
    prints: str | None = None
    """What a `text` block right below it shows."""


@dataclass(frozen=True)
class Command:
    """What follows a `$ `, and the lines below it."""

    line: int
    text: str
    shown: str


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    status: int
    printed: str


def blocks(page: str) -> Iterator[Block]:
    """The page's blocks that run, in order."""
    fenced = list(_BLOCK.finditer(page))
    for block, after in zip_longest(fenced, fenced[1:]):
        if block["language"] not in ("python", "console") or block["why"]:
            continue
        below = after is not None and after["language"] == "text"
        near = after is not None and not page[block.end() : after.start()].strip()
        prints = after["text"] if after is not None and below and near else None
        line = page.count("\n", 0, block.start("text")) + 1
        yield Block(block["language"], line, block["text"], prints)


def commands(block: Block) -> list[Command]:
    """The commands of a console block; one goes on in the next line after a backslash or before a `> `."""
    found: list[Command] = []
    for number, line in enumerate(block.text.splitlines(), block.line):
        if line.startswith("$ "):
            found.append(Command(number, line[2:], ""))
            continue
        assert found, f"line {number}: a console block begins with `$ `, not with {line!r}"
        last = found[-1]
        if last.text.endswith("\\") or (line.startswith("> ") and not last.shown):
            found[-1] = Command(last.line, f"{last.text}\n{line.removeprefix('> ')}", "")
        else:
            found[-1] = Command(last.line, last.text, f"{last.shown}{line}\n")
    return found


def same(shown: str, printed: str) -> bool:
    """Whether a page shows what was printed, white space and times aside."""
    wanted = re.escape(_plain(shown)).replace(re.escape("..."), ".*")
    return re.fullmatch(wanted, _plain(printed), re.DOTALL) is not None


def _plain(text: str) -> str:
    return " ".join(_TIME.sub(r"N \1", text).split())


def in_a_terminal(texts: list[str], folder: Path) -> list[Done]:
    """Run commands in one shell, as somebody would who sits before it."""
    mark = r"status=$?; printf '\n\036%d\036\n' $status; (exit $status)"
    script = "\n".join(f"{text}\n{mark}" for text in texts)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, WIDTH))
    with subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env=os.environ | {"PATH": path, "TERM": "dumb", "NO_COLOR": "1", "LC_ALL": "C.UTF-8"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as shell:
        os.close(theirs)
        try:
            said = _heard(ours, len(texts))
        finally:
            with contextlib.suppress(ProcessLookupError):  # what it left in the background
                os.killpg(shell.pid, signal.SIGTERM)
            os.close(ours)
    parts = _MARK.split(said)
    return [Done(int(status), text) for text, status in zip(parts[0::2], parts[1::2], strict=False)]


def _heard(terminal: int, count: int) -> str:
    """What comes until so many commands have ended."""
    raw, deadline = b"", time.monotonic() + PATIENCE
    while (text := _CONTROL.sub("", raw.decode(errors="replace"))) is not None:
        left = deadline - time.monotonic()
        if (
            len(_MARK.findall(text)) == count
            or not select.select([terminal], [], [], max(0.0, left))[0]
        ):
            break
        try:
            raw += os.read(terminal, 65536)
        except OSError:  # Linux says so when nobody is left who could write
            break
    return text


def run_console(name: str, block: Block, folder: Path) -> None:
    """Run a block's commands; one whose output is not shown must succeed."""
    listed = commands(block)
    done = in_a_terminal([command.text for command in listed], folder)
    for command, outcome in zip(listed, done, strict=False):
        told = f"{name}:{command.line}: $ {command.text}\n{outcome.printed}"
        if command.shown:
            assert same(command.shown, outcome.printed), f"{told}\ninstead of\n{command.shown}"
        else:
            assert outcome.status == 0, f"{told}\nexit code {outcome.status}"
    assert len(done) == len(listed), f"{name}:{listed[len(done)].line}: it did not end"


def run_python(name: str, block: Block, module: ModuleType) -> None:
    """Run a block in the page's namespace: as a program, or with `>>>` as a session."""
    if block.text.startswith(">>> "):
        parser = doctest.DocTestParser()
        examples = parser.get_doctest(block.text, vars(module), name, name, block.line - 1)
        told = io.StringIO()
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        runner.run(examples, out=told.write, clear_globs=False)
        vars(module).update(examples.globs)
        assert not runner.failures, told.getvalue()
        return
    code = compile("\n" * (block.line - 1) + block.text, name, "exec")
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code, vars(module))
    if block.prints is not None:
        printed = out.getvalue()
        wrong = f"{name}:{block.line} printed\n{printed}\ninstead of\n{block.prints}"
        assert same(block.prints, printed), wrong


@pytest.mark.slow
def test_no_page_is_left_out() -> None:
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")}
    assert pages | {"README.md"} == {*PAGES, *ELSEWHERE}
    for page, test in ELSEWHERE.items():
        assert Path(page).name in (ROOT / test).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_the_examples_of(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)  # where pydantic looks for names
    for block in blocks((ROOT / name).read_text(encoding="utf-8")):
        if block.language == "console":
            run_console(name, block, tmp_path)
        else:
            run_python(name, block, module)


@pytest.mark.slow
def test_a_users_program_is_typed(tmp_path: Path) -> None:
    """What docs/python.md says at its end, with the types that an installed package would have."""
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    program, wrong = tmp_path / "program.py", tmp_path / "wrong.py"
    text = "\n".join(block.text for block in blocks(page))
    program.write_text(text, encoding="utf-8")
    wrong.write_text(f"{text}\ncounted.value.colour\n", encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", str(program), str(wrong)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    (told, *_) = done.stdout.splitlines()
    # By name alone: an unchanged program's errors come from the cache, with the folder of an earlier run.
    assert Path(told.partition(":")[0]).name == wrong.name, done.stdout + done.stderr
    assert 'Item "None" of "Count | None" has no attribute "colour"' in done.stdout
    assert "Found 2 errors in 1 file" in done.stdout


PAGE = """
```python
x = 2
print(x, "took 0.3 s")
```

```text
2 took 12 s
```

<!-- not run: it never ends -->
```console
$ sleep infinity
```

```python
assert x == 3
```
"""


def test_a_page_is_read_as_a_reader_does(tmp_path: Path) -> None:
    module = ModuleType("page")
    first, last = blocks(PAGE)
    run_python("page", first, module)
    assert (last.line, last.text) == (17, "assert x == 3\n")
    with pytest.raises(AssertionError):
        run_python("page", last, module)


def test_what_is_printed_is_compared() -> None:
    (block, _) = blocks(PAGE.replace("2 took", "3 took"))
    with pytest.raises(AssertionError, match=r"printed\s+2 took"):
        run_python("page", block, ModuleType("page"))


CONSOLE = Block(
    "console",
    1,
    """$ export NAME=world; test -t 1 && echo on a terminal
on a terminal
$ echo "hello $NAME," \\
      "and so on"
hello ... on
$ sleep 1000 &
$ false
$ echo never
""",
)


def test_commands_run_in_one_shell_and_must_succeed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"page:7: \$ false\s+exit code 1"):
        run_console("page", CONSOLE, tmp_path)


def test_a_command_shows_what_the_page_says(tmp_path: Path) -> None:
    run_console("page", Block("console", 1, "$ (exit 3)\n...\n$ echo $?\n3\n"), tmp_path)
    with pytest.raises(AssertionError, match=r"instead of\s+4"):
        run_console("page", Block("console", 1, "$ echo 3\n4\n"), tmp_path)
