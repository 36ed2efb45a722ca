"""`agent batch`: every question is answered once, whatever ends the command in between."""

import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from foveal.cli import main

FIND = "<|detect_start|>red cube<|detect_end|>"
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def questions(picture: Path) -> Callable[..., str]:
    """Writes questions about the picture, one a line, and returns the file's path."""

    def write(count: int, *more: Any, **columns: Any) -> str:
        rows = [{"image": "picture.png", "question": f"{n}?"} | columns for n in range(count)]
        lines = [row if isinstance(row, str) else json.dumps(row) for row in (*rows, *more)]
        path = picture.with_name("questions.jsonl")
        path.write_text("\n".join(lines), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def asked(out: Path) -> list[str]:
    """The questions that are done, however they ended."""
    done = [*records(out / "results.jsonl"), *records(out / "failures.jsonl")]
    return sorted((record["question"] for record in done), key=lambda text: int(text[:-1]))


def numbered(count: int) -> list[str]:
    return [f"{n}?" for n in range(count)]


def until(count: int, out: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait for that many results; the process must still be running then."""
    results = out / "results.jsonl"
    while not results.exists() or results.read_bytes().count(b"\n") < count:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)


def batch(questions: str, out: Path, *options: str) -> int:
    return main(["batch", questions, "--out", str(out), *options])


def only_line(capsys: pytest.CaptureFixture[str]) -> str:
    said, err = capsys.readouterr()
    assert said == ""
    assert err.startswith("agent: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.slow
def test_killed_in_the_middle_and_started_again(
    command: Start, questions: Callable[..., str], out: Path
) -> None:
    words = ["batch", questions(60), "--out", str(out), "--concurrency", "4"]
    for enough in (8, 25):
        process = command(["!0.1", FIND, "2"], *words)
        until(enough, out, process)
        process.kill()
        process.communicate()
        assert (out / "results.jsonl").read_bytes().count(b"\n") < 60
    process = command([FIND, "2"], *words, "--json")
    report = json.loads(process.communicate()[0])
    assert process.returncode == 0
    assert asked(out) == numbered(60)
    assert report["counts"]["answered"] == 60
    assert len(report["sittings"]) == 3
    assert report["sittings"][-1]["outcomes"] <= 60 - 25
    assert pq.read_table(out / "results.parquet")["row"].to_pylist() == list(range(1, 61))


@pytest.mark.slow
def test_an_interrupt_finishes_what_was_begun(
    command: Start, questions: Callable[..., str], out: Path
) -> None:
    words = ["batch", questions(40), "--out", str(out), "--concurrency", "3"]
    process = command(["!0.2", FIND, "2"], *words)
    until(3, out, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert b"finishing what was begun" in err
    assert b"Traceback" not in err
    assert 3 <= len(asked(out)) < 40
    assert json.loads((out / "run.json").read_text())["state"] == "interrupted"
    assert not (out / "results.parquet").exists()
    process = command([FIND, "2"], *words)
    process.communicate()
    assert process.returncode == 0
    assert asked(out) == numbered(40)


@pytest.mark.parametrize("last", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_drops_what_was_begun(
    command: Start, questions: Callable[..., str], out: Path, last: signal.Signals
) -> None:
    process = command(["!600", FIND, "2"], "batch", questions(9), "--out", str(out), "--trace")
    assert process.stderr is not None
    while not list(out.glob("traces/*")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    assert b"interrupt again to drop it" in process.stderr.readline()
    process.send_signal(last)
    _, err = process.communicate()
    assert (process.returncode, err) == (130, b"")
    assert asked(out) == []
    assert json.loads((out / "run.json").read_text())["counts"]["answered"] == 0


def test_two_at_once_are_refused(command: Start, questions: Callable[..., str], out: Path) -> None:
    words = ["batch", questions(9), "--out", str(out)]
    first = command(["!600", FIND, "2"], *words, "--trace")
    while not (out / "run.json").exists():
        assert first.poll() is None, first.communicate()[1]
        time.sleep(0.005)
    second = command(["2"], *words)
    said, err = second.communicate()
    assert (second.returncode, said) == (2, b"")
    assert f"is being written by another run (process {first.pid})".encode() in err
    first.kill()
    first.communicate()


def test_a_bad_image_costs_its_own_question(
    recited: Callable[..., None],
    questions: Callable[..., str],
    out: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recited(FIND, "2")
    bad = [
        {"image": name, "question": "8?"}
        for name in ("none.png", "questions.jsonl", "http://127.0.0.1/x")
    ]
    source = questions(3, *bad, answer="two", colour="red")
    assert batch(source, out) == 1
    told = capsys.readouterr().out
    assert "3 of 6 answered, 3 failed, 0 left" in told
    assert "0.0% right of 3" in told
    reasons = [record["reason"] for record in records(out / "failures.jsonl")]
    for reason in ("does not exist", "is not an image", "private address"):
        assert any(reason in told for told in reasons)
    (first, *_) = sorted(records(out / "results.jsonl"), key=lambda record: record["row"])
    assert (first["question"], first["answer"], first["truth"], first["verdict"]) == (
        "0?",
        "2",
        "two",
        "wrong",
    )
    assert (first["image"], first["colour"], first["confidence"]) == ("picture.png", "red", 0.93)
    assert [hop["specialist"] for hop in first["hops"]] == ["detector"]
    assert pq.read_table(out / "results.parquet").num_rows == 3


def test_failures_are_tried_again_and_nothing_else(
    recited: Callable[..., None], questions: Callable[..., str], picture: Path, out: Path
) -> None:
    source = questions(3, {"image": "late.png", "question": "3?"})
    recited("1")
    assert batch(source, out, "--no-parquet") == 1
    picture.rename(picture.with_name("late.png"))  # so that asking the others again would fail
    recited("2")
    assert batch(source, out, "--no-parquet", "--keep-failures") == 1
    assert len(records(out / "failures.jsonl")) == 1
    assert batch(source, out) == 0
    assert asked(out) == numbered(4)
    assert not records(out / "failures.jsonl")
    answers = {record["question"]: record["answer"] for record in records(out / "results.jsonl")}
    assert answers == {"0?": "1", "1?": "1", "2?": "1", "3?": "2"}


def test_no_answer_is_counted_and_not_asked_again(
    recited: Callable[..., None],
    questions: Callable[..., str],
    out: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recited("")
    assert batch(questions(2), out) == 1
    assert "2 of 2 answered, 2 of them with no answer, 0 failed" in capsys.readouterr().out
    recited("2")
    assert batch(questions(2), out) == 1
    assert [record["answer"] for record in records(out / "results.jsonl")] == ["", ""]


def test_only_the_first_ones_and_then_the_rest(
    recited: Callable[..., None],
    questions: Callable[..., str],
    out: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recited("2")
    assert batch(questions(9), out, "--limit", "4") == 0
    assert asked(out) == numbered(4)
    assert "4 of 9 answered, 0 failed, 5 left" in capsys.readouterr().out
    assert batch(questions(9), out) == 0
    assert asked(out) == numbered(9)


def test_another_batch_does_not_get_the_folder(
    recited: Callable[..., None],
    questions: Callable[..., str],
    out: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recited("2")
    assert batch(questions(3), out) == 0
    capsys.readouterr()
    for other in (["--tools", "none"], ["--max-hops", "1"]):
        assert batch(questions(3), out, *other) == 2
        assert "was begun with" in only_line(capsys)
    assert batch(questions(4), out) == 2
    assert "was begun with questions" in only_line(capsys)
    assert batch(questions(4), out, "--resume-anyway") == 0
    assert asked(out) == numbered(4)


BAD = {
    "malformed line": (["{"], [], "questions.jsonl line 3: not JSON"),
    "missing column": ([{"image": "picture.png"}], [], "questions.jsonl line 3: no column 'question'"),
    "same id": ([{"image": "a", "question": "?", "id": i} for i in "xx"], [], "line 4: id 'x' was given"),
    "column": ([], ["--column", "question=query"], "line 1: no column 'query' for the question"),
    "column's form": ([], ["--column", "query"], "--column 'query': expected OURS=THEIRS"),
    "tool": ([], ["--tools", "fly"], "no tool 'fly'"),
    "profile": ([], ["--profile", "tiny"], "no profile 'tiny'"),
    "pool without Ray": ([], ["--pool", "detector.replicas=2"], "--pool is for a cluster"),
    "agents without Ray": ([], ["--agents", "2"], "--agents is for a cluster"),
    "pool": ([], ["--ray", "--pool", "detector=2"], "pool 'detector=2' is not like"),
    "GPU on a CPU": ([], ["--ray", "--agent-gpus", "0.5"], "set FOVEAL_DEVICE=cuda"),
    "agents": ([], ["--agents", "0"], "'--agents'"),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "options", "reason"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_told_before_anything_starts(
    rows: list[Any],
    options: list[str],
    reason: str,
    questions: Callable[..., str],
    out: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert batch(questions(2, *rows), out, *options) == 2
    assert reason in only_line(capsys)
    assert not out.exists()


def test_bad_rows_may_be_failures(
    recited: Callable[..., None], questions: Callable[..., str], out: Path
) -> None:
    recited("2")
    assert batch(questions(2, "{", {"image": "picture.png"}), out, "--skip-bad-rows") == 1
    assert asked_ids(out / "failures.jsonl") == ["line 3", "line 4"]
    assert len(records(out / "results.jsonl")) == 2


def asked_ids(path: Path) -> list[str]:
    return sorted(record["id"] for record in records(path))


def test_a_job_does_not_lose_its_results_with_its_folder(
    questions: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scratch = tmp_path / "runtime_resources" / "working_dir_files" / "package"
    scratch.mkdir(parents=True)
    source = questions(1)
    monkeypatch.chdir(scratch)
    assert main(["batch", source, "--out", "answers"]) == 2
    assert "'answers' would be lost with this job's working directory" in only_line(capsys)


def test_nothing_to_write_parquet_with(
    questions: Callable[..., str],
    out: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert batch(questions(1), out) == 2
    assert "pip install 'foveal[batch]'" in only_line(capsys)


def test_what_every_question_would_meet_gets_one_line(
    questions: Callable[..., str],
    out: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "config.json").write_text("{}")
    (weights / "SHA256SUMS").write_text(f"{'0' * 64}  config.json\n")
    monkeypatch.setenv("FOVEAL_WEIGHTS", str(weights))
    assert batch(questions(3), out) == 2
    assert "damaged" in only_line(capsys)
    assert json.loads((out / "run.json").read_text())["state"] == "stopped"
    assert asked(out) == []


def test_from_stdin(
    recited: Callable[..., None], picture: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recited("2")
    monkeypatch.chdir(picture.parent)
    line = json.dumps({"image": picture.name, "question": "0?", "id": 7}).encode()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(line)))
    assert batch("-", out) == 0
    assert records(out / "results.jsonl")[0]["id"] == "7"


def test_parquet_in_and_out(
    recited: Callable[..., None], picture: Path, out: Path, tmp_path: Path
) -> None:
    recited(FIND, "2")
    image = {"bytes": picture.read_bytes(), "path": None}
    rows = [{"picture": image, "query": f"{n}?", "label": 2, "n": n / 2} for n in range(20)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "q.parquet")
    columns = [
        word
        for pair in ("image=picture", "question=query", "answer=label")
        for word in ("--column", pair)
    ]
    assert batch(str(tmp_path / "q.parquet"), out, *columns) == 0
    table = pq.read_table(out / "results.parquet")
    assert table["question"].to_pylist() == numbered(20)
    assert table["n"].to_pylist() == [n / 2 for n in range(20)]
    assert set(table["verdict"].to_pylist()) == {"right"}
    assert table["usage"][0]["hops"].as_py() == 1


def test_a_dataset_in(
    recited: Callable[..., None], picture: Path, out: Path, tmp_path: Path
) -> None:
    import datasets

    recited("2")
    features = datasets.Features({"image": datasets.Image(), "question": datasets.Value("string")})
    columns = {"image": [str(picture)] * 3, "question": numbered(3)}
    datasets.Dataset.from_dict(columns, features).save_to_disk(tmp_path / "saved")
    picture.unlink()  # the saved dataset has a copy
    assert batch(str(tmp_path / "saved"), out) == 0
    assert asked(out) == numbered(3)


def test_json_is_one_object(
    recited: Callable[..., None],
    questions: Callable[..., str],
    out: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recited("2")
    assert batch(questions(4, answer=["2", "two"]), out, "--json", "--trace") == 0
    said, err = capsys.readouterr()
    assert err == ""
    report = json.loads(said)
    assert (report["accuracy"], report["left"], report["state"]) == (1.0, 0, "finished")
    assert report["counts"] == {
        "questions": 4, "answered": 4, "no_answer": 0, "failed": 0, "judged": 4, "right": 4,
    }  # fmt: skip
    assert Path(records(out / "results.jsonl")[0]["trace"]).is_file()


def test_a_gate_belongs_to_the_batch(
    recited: Callable[..., None],
    questions: Callable[..., str],
    out: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recited("2")
    assert batch(questions(2), out, "--gate", "0.9", "--no-parquet") == 0
    assert [record["ended_by"] for record in records(out / "results.jsonl")] == ["gate"] * 2
    assert [record["direct"]["answer"] for record in records(out / "results.jsonl")] == ["2"] * 2
    capsys.readouterr()
    assert batch(questions(3), out, "--gate", "0.5", "--no-parquet") == 2
    assert "was begun with gate 0.9, not 0.5" in only_line(capsys)


def test_answers_of_two_versions_of_a_specialist_are_not_mixed(
    questions: Callable[..., str],
    out: Path,
    recited: Callable[..., None],
    offer: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    recited("2")
    words = ("--specialist", "detector=mine", "--no-parquet")
    offer("pkg", "mine", "", "1.0")
    assert batch(questions(2), out, *words, "--limit", "1") == 0
    assert batch(questions(2), out, *words) == 0
    capsys.readouterr()
    offer("pkg", "mine", "", "1.1")
    assert batch(questions(2), out, *words) == 2
    assert "specialists" in only_line(capsys)
