"""Models from the Hub: once, only what is needed, and nothing but what was stated."""

import shutil
import sys
from collections import namedtuple
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from foveal.agent.choosing import of_model
from foveal.agent.errors import InputError, SetupError
from foveal.agent.hub import fetching as module
from foveal.agent.hub.fetching import at_hand, fetch
from foveal.agent.hub.releases import Release
from foveal.agent.hub.shelf import Shelf

NEEDED = ["added_tokens.json", "config.json", "pytorch_model.bin", "tokenizer.json"]
B, C = "b" * 40, "c" * 40


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def weights_partial(release: Release, hub: Any) -> Path:
    """Where the weights are collected."""
    shelf = Shelf.of(release)
    pin = shelf.pin()
    assert pin is not None
    return shelf.partial(pin.files["pytorch_model.bin"])


def test_only_what_a_model_is_loaded_from_is_fetched(hub: Any, release: Release) -> None:
    folder = fetch(release)
    assert names(folder) == NEEDED
    assert all((folder / n).read_bytes() == hub.commits[hub.head][n] for n in NEEDED)
    assert not hub.paths(".py")
    assert at_hand(release) == folder


def test_one_line_says_what_is_needed_before_anything_comes(
    hub: Any, release: Release, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fetch(release)
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err == (
        f"foveal: {release.repository} needs 3.1 MB of disk in {tmp_path}/cache/hub (3.1 MB to download) "
        "and 6.1 MB of memory on cpu, or 3.1 MB on a GPU (FOVEAL_DEVICE=cuda)\n"
    )


def test_a_terminal_sees_a_bar(
    hub: Any, release: Release, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    fetch(release, "cuda")
    err = capfd.readouterr().err
    assert f"{release.repository} \x1b[" in err
    assert "/3.1 MB" in err
    assert "3.1 MB of memory on cuda\n" in err


def test_what_is_here_is_not_asked_about_again(
    hub: Any, release: Release, unplugged: Callable[[], None]
) -> None:
    folder = fetch(release)
    hub.asked.clear()
    unplugged()
    assert fetch(release) == folder
    assert hub.asked == []


def test_the_small_files_alone_may_be_had(hub: Any, release: Release) -> None:
    folder = fetch(release, weights=False)
    assert names(folder) == [name for name in NEEDED if name != "pytorch_model.bin"]
    assert at_hand(release) is None
    assert at_hand(release, weights=False) == folder
    assert names(fetch(release)) == NEEDED
    assert len(hub.paths("/api/models/")) == 1


def test_safetensors_are_preferred(hub: Any, release: Release) -> None:
    files = hub.commits[hub.head]
    files["model-00001-of-00001.safetensors"] = b"s" * 100
    files["model.safetensors.index.json"] = b"{}"
    assert "pytorch_model.bin" not in names(fetch(release))
    assert "model-00001-of-00001.safetensors" in names(fetch(release))


def test_a_broken_transfer_goes_on_where_it_broke(hub: Any, release: Release) -> None:
    hub.faults.cut = 1_000_000
    folder = fetch(release)
    assert (folder / "pytorch_model.bin").read_bytes() == hub.commits[hub.head]["pytorch_model.bin"]
    ranges = [headers["range"] for headers in hub.headers("/cdn/")]
    assert ranges == [f"bytes={n}000000-" if n else "bytes=0-" for n in range(4)]


def test_a_later_process_goes_on_where_an_earlier_one_ended(hub: Any, release: Release) -> None:
    seen: list[int] = []

    def stop() -> bool:
        seen.append(1)
        return bool(hub.paths("/cdn/")) and len(seen) > 9

    with pytest.raises(SetupError, match="was stopped; ask again"):
        fetch(release, stop=stop)
    kept = weights_partial(release, hub).stat().st_size
    assert 0 < kept < 3_000_000
    hub.asked.clear()
    assert names(fetch(release)) == NEEDED
    assert [h["range"] for h in hub.headers("/cdn/")] == [f"bytes={kept}-"]
    assert not hub.paths("/api/")


def test_a_server_without_ranges_is_asked_for_everything(hub: Any, release: Release) -> None:
    fetch(release, weights=False)
    partial = weights_partial(release, hub)
    partial.parent.mkdir(exist_ok=True)
    partial.write_bytes(b"?" * 500)
    hub.faults.ranges = False
    folder = fetch(release)
    assert (folder / "pytorch_model.bin").read_bytes() == hub.commits[hub.head]["pytorch_model.bin"]


def test_a_transfer_that_never_gets_anywhere_is_given_up(hub: Any, release: Release) -> None:
    hub.faults.cut = 0
    with pytest.raises(SetupError, match=r"cannot be downloaded: .*; try again"):
        fetch(release)
    assert len(hub.paths("/resolve/")) == 6


@pytest.mark.parametrize(("status", "times"), [(503, 6), (404, 1), (403, 1)])
def test_a_refused_file_is_asked_for_again_where_that_may_help(
    hub: Any, release: Release, status: int, times: int
) -> None:
    hub.faults.status = status
    with pytest.raises(SetupError, match=f"answers {status}"):
        fetch(release)
    assert len(hub.paths("/resolve/")) == times


@pytest.mark.parametrize("name", ["pytorch_model.bin", "config.json"])
def test_bytes_that_are_not_as_stated_are_refused_and_removed(
    hub: Any, release: Release, name: str
) -> None:
    hub.faults.spoilt = name
    with pytest.raises(SetupError, match=rf"^{name} of .* is not what the Hub states: .*removed"):
        fetch(release)
    folder = Shelf.of(release).folder
    assert not list(folder.rglob("*.incomplete"))
    assert not list(folder.rglob(name))
    hub.faults.spoilt = ""
    assert names(fetch(release)) == NEEDED


def test_a_longer_file_than_stated_does_not_fill_the_disk(hub: Any, release: Release) -> None:
    listing = hub.listing(hub.head)
    hub.body = listing.replace(b'"size": 3072000', b'"size": 2000000')
    with pytest.raises(SetupError, match="longer than the Hub states"):
        fetch(release)
    assert weights_partial(release, hub).stat().st_size <= 2_000_000


def test_a_disk_too_small_is_told_before_a_byte_is_fetched(
    hub: Any, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10**9, 10**9, 52_000_000))
    with pytest.raises(SetupError) as caught:
        fetch(release)
    assert "needs 3.1 MB more" in str(caught.value)
    assert "where 52 MB are free; free some, or set FOVEAL_CACHE" in str(caught.value)
    assert not hub.paths("/resolve/")


def test_a_repository_is_pinned_when_it_is_first_used(hub: Any, release: Release) -> None:
    first = fetch(release)
    hub.commits[B] = {**hub.commits[hub.head], "config.json": b'{"model_type": "changed"}'}
    shutil.rmtree(Shelf.of(release).folder)
    assert fetch(release) == first
    assert (first / "config.json").read_bytes() == hub.commits["a" * 40]["config.json"]
    Shelf.of(release).pin_file.unlink()
    assert fetch(release).name == B


def test_a_named_commit_is_what_one_gets(hub: Any) -> None:
    hub.commits[B] = {**hub.commits[hub.head], "config.json": b"{}"}
    hub.commits[C] = dict(hub.commits[hub.head])
    folder = fetch(Release("someone/seer-2b", B))
    assert folder.name == B
    assert (folder / "config.json").read_bytes() == b"{}"
    assert not hub.paths(C)


def test_another_commit_than_the_named_one_is_refused(hub: Any) -> None:
    hub.commits[B] = dict(hub.commits[hub.head])
    hub.claims = C
    with pytest.raises(SetupError, match="gives cccccccccccc for bbbbbbbbbbbb"):
        fetch(Release("someone/seer-2b", B))
    assert not hub.paths("/resolve/")


def test_two_revisions_are_kept_apart_and_share_their_bytes(hub: Any, release: Release) -> None:
    old = fetch(release)
    hub.commits[B] = {**hub.commits[hub.head], "config.json": b'{"model_type": "changed"}'}
    hub.asked.clear()
    new = fetch(Release(release.repository, B))
    assert (old.name, new.name) == ("a" * 40, B)
    assert [Path(path).name for path in hub.paths("/resolve/")] == ["config.json"]
    assert fetch(release) == old


def test_offline_with_everything_here(
    hub: Any, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fetch(release)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    hub.asked.clear()
    assert fetch(release) == folder
    assert hub.asked == []


@pytest.mark.parametrize("begun", [False, True])
def test_offline_with_something_missing(
    hub: Any, release: Release, begun: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if begun:
        fetch(release, weights=False)
    hub.asked.clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(SetupError) as caught:
        fetch(release)
    assert "is not in" in str(caught.value)
    assert "connect to the network (and unset HF_HUB_OFFLINE), or set FOVEAL_WEIGHTS" in str(
        caught.value
    )
    assert "\n" not in str(caught.value)
    assert hub.asked == []


def test_without_a_network(hub: Any, release: Release, unplugged: Callable[[], None]) -> None:
    unplugged()
    with pytest.raises(SetupError, match="the Hub cannot be reached"):
        fetch(release)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (404, "RepoNotFound", "there is no model someone/seer-2b"),
        (401, "RepoNotFound", "or log in with `hf auth login`"),
        (403, "GatedRepo", "only to those who accept its terms"),
        (404, "RevisionNotFound", "has no revision 'main'; correct the profile's revision"),
        (500, "", "answers 500"),
    ],
)
def test_refusals_are_one_line_with_a_cure(
    hub: Any, release: Release, status: int, code: str, words: str
) -> None:
    hub.refusal = (status, code)
    with pytest.raises(SetupError) as caught:
        fetch(release)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>welcome to the hotel</html>", "does not answer about"),
        (b'{"sha": "main", "siblings": []}', "does not answer about"),
        (b"[]", "does not answer about"),
        (b'{"id": "x/y", "sha": "%s", "siblings": []}' % (b"a" * 40), "holds no model"),
        (
            b'{"id": "x/y", "sha": "%s", "siblings": [{"rfilename": "config.json"}]}' % (b"a" * 40),
            "does not answer about",
        ),
    ],
)
def test_a_listing_that_cannot_be_used(hub: Any, release: Release, body: bytes, words: str) -> None:
    hub.body = body
    with pytest.raises(SetupError, match=words):
        fetch(release)
    assert not hub.paths("/resolve/")


def test_a_file_outside_the_folder_is_not_fetched(hub: Any, release: Release) -> None:
    hub.commits[hub.head]["../../config.json"] = b"{}"
    hub.commits[hub.head]["sub/config.json"] = b"{}"
    assert names(fetch(release)) == NEEDED


def test_a_damaged_pin_is_named(hub: Any, release: Release) -> None:
    fetch(release)
    Shelf.of(release).pin_file.write_text("{")
    with pytest.raises(SetupError, match=r"@main\.json cannot be read; delete it"):
        fetch(release)


def test_a_file_cut_short_later_is_fetched_again(hub: Any, release: Release) -> None:
    folder = fetch(release)
    (folder / "pytorch_model.bin").resolve().write_bytes(b"short")
    assert at_hand(release) is None
    assert (fetch(release) / "pytorch_model.bin").stat().st_size == 3_072_000


def test_a_token_does_not_leave_the_hub(
    hub: Any, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch(release)
    assert all(h["authorization"] == "Bearer hf_secret" for h in hub.headers("/resolve/"))
    assert all("authorization" not in h for h in hub.headers("/cdn/"))
    assert hub.paths("/cdn/")


def test_nothing_is_told_about_this_machine(
    hub: Any, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(module.TELEMETRY)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", False)
    fetch(release)
    assert not [
        path for path in hub.paths() if "someone/seer-2b" not in path and "/cdn/" not in path
    ]
    assert not [headers for _, headers in hub.asked if "torch" in headers["user-agent"]]


def test_what_other_tools_downloaded_is_used_once_verified(
    hub: Any, release: Release, unplugged: Callable[[], None], tmp_path: Path
) -> None:
    theirs(hub, tmp_path / "cache" / "hub")
    unplugged()
    assert at_hand(release) is None
    folder = fetch(release)
    assert {*NEEDED} <= {*names(folder)}
    assert at_hand(release) == folder


def test_what_other_tools_left_damaged_is_not_used(
    hub: Any, release: Release, unplugged: Callable[[], None], tmp_path: Path
) -> None:
    snapshot = theirs(hub, tmp_path / "cache" / "hub")
    (snapshot / "config.json").resolve().write_bytes(b'{"model_type": "qwen2_vl_xxx"}')
    unplugged()
    with pytest.raises(SetupError, match=r"config\.json cannot be downloaded"):
        fetch(release)
    assert not (snapshot / "config.json").exists()


def test_other_tools_find_what_we_downloaded(hub: Any, release: Release, tmp_path: Path) -> None:
    from huggingface_hub import hf_hub_download, scan_cache_dir

    folder, cache = fetch(release), tmp_path / "cache" / "hub"
    found = hf_hub_download(
        release.repository, "pytorch_model.bin", cache_dir=cache, local_files_only=True
    )
    assert Path(found) == folder / "pytorch_model.bin"
    scanned = scan_cache_dir(cache)
    assert not scanned.warnings
    assert [repo.repo_id for repo in scanned.repos] == [release.repository]


def theirs(hub: Any, cache: Path) -> Path:
    """The snapshot that huggingface_hub itself makes."""
    from huggingface_hub import snapshot_download

    got = snapshot_download(
        "someone/seer-2b", cache_dir=cache, endpoint=hub.endpoint, max_workers=1
    )
    return Path(got)


def test_without_links_the_files_themselves_are_there(
    hub: Any, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    folder = fetch(release)
    assert names(folder) == NEEDED
    assert not any((folder / name).is_symlink() for name in NEEDED)
    assert at_hand(release) == folder


def test_two_at_once_fetch_everything_once(hub: Any, release: Release) -> None:
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(fetch, [release, release]))
    assert folders[0] == folders[1]
    assert len(hub.paths("/resolve/")) == len(NEEDED)


def test_waiting_for_another_process_is_told_and_may_be_ended(
    hub: Any, release: Release, capfd: pytest.CaptureFixture[str]
) -> None:
    waits: list[int] = []

    def stop() -> bool:
        waits.append(1)
        return len(waits) > 1

    with Shelf.of(release).alone(Event().set), pytest.raises(SetupError, match="was stopped"):
        fetch(release, stop=stop)
    err = capfd.readouterr().err
    assert err == f"foveal: another process is downloading {release.repository}; waiting for it\n"
    assert hub.asked == []


def test_a_folder_that_cannot_be_written(
    hub: Any, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEAL_CACHE", "/proc/nowhere")
    with pytest.raises(SetupError, match=r"cannot be written: .*; set FOVEAL_CACHE"):
        fetch(release)


def test_a_missing_library_is_the_users_to_install(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "huggingface_hub"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(SetupError, match=r"pip install 'foveal\[models\]'"):
        fetch(release)


def test_an_unknown_repository_is_run_as_what_its_settings_say(hub: Any, release: Release) -> None:
    profile = of_model(release.repository)
    assert (profile.name, profile.dialect) == (release.repository, "vpt")
    assert profile.release == release
    assert not hub.paths("pytorch_model.bin")


def test_a_repository_with_a_vision_chat_model(hub: Any, release: Release) -> None:
    hub.commits[hub.head] |= {
        "config.json": b'{"model_type": "qwen2_5_vl", "vision_config": {}}',
        "chat_template.jinja": b"{{ messages }}",
        "processor_config.json": b"{}",
        "modeling_custom.py": b"raise SystemExit",
    }
    profile = of_model(release.repository)
    assert (profile.backend, profile.model) == ("chat", release.repository)
    assert profile.release == release
    folder = fetch(profile.release)
    assert (folder / "chat_template.jinja").is_file()
    assert (folder / "processor_config.json").is_file()
    assert not (folder / "modeling_custom.py").exists()
    assert profile.fetched(folder).release is None


def test_an_unknown_repository_that_holds_something_else(hub: Any, release: Release) -> None:
    hub.commits[hub.head]["config.json"] = b'{"model_type": "llama"}'
    with pytest.raises(InputError, match="someone/seer-2b: models of type 'llama' see no images"):
        of_model(release.repository)
