"""Which images a client may name, and which files it may not reach by any name."""

import base64
from pathlib import Path

import pytest

from foveal.agent.errors import InputError
from foveal.agent.settings import Settings
from foveal.mcp.sources import Fence, is_path, path_of, pixels_of

SETTINGS = Settings()


@pytest.fixture
def fence(picture: Path) -> Fence:
    """The folder with the picture."""
    return Fence((picture.parent.resolve(),), fixed=False)


def refusal(image: str, fence: Fence) -> str:
    with pytest.raises(InputError) as caught:
        pixels_of(image, fence, SETTINGS)
    return str(caught.value)


def test_a_path_however_it_is_written(
    fence: Fence, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(picture.parent)
    spaced = picture.with_name("two words.png")
    picture.rename(spaced)
    for image in (str(spaced), spaced.name, f"./{spaced.name}", spaced.as_uri()):
        assert pixels_of(image, fence, SETTINGS).shape == (64, 96, 3)


def test_files_outside(fence: Fence, tmp_path_factory: pytest.TempPathFactory) -> None:
    """By a path, by steps upwards, by a link; whether they exist is not told."""
    inside, outside = fence.roots[0], tmp_path_factory.mktemp("outside") / "secret.png"
    outside.write_bytes(b"not to be told")
    (inside / "link.png").symlink_to(outside)
    (inside / "folder").symlink_to(outside.parent)
    missing = outside.with_name("missing.png")
    for image in (
        outside,
        missing,
        inside / "link.png",
        inside / "folder" / "secret.png",
        inside / ".." / outside.parent.name / "secret.png",
    ):
        assert "is refused" in refusal(str(image), fence)
    assert "is refused" in refusal(outside.as_uri(), fence)


def test_a_folder_beside_is_not_inside(fence: Fence) -> None:
    beside = fence.roots[0].with_name(fence.roots[0].name + "2") / "x.png"
    assert "is refused" in refusal(str(beside), fence)


def test_a_link_to_a_root_is_the_root(fence: Fence, picture: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(picture.parent)
    assert pixels_of(str(link / picture.name), fence, SETTINGS).shape == (64, 96, 3)
    assert fence.within([link.as_uri()]).roots == fence.roots


def test_roots_of_a_client(fence: Fence) -> None:
    assert fence.within(None) is fence
    assert fence.within([]).roots == ()
    assert "--root DIR" in refusal("x.png", fence.within([]))
    assert fence.within(["https://example.com/x"]).roots == ()
    fixed = Fence(fence.roots)
    assert fixed.within(["file:///"]) is fixed


def test_other_machines(fence: Fence) -> None:
    assert "on another machine" in refusal("file://server/share/x.png", fence)
    assert path_of("file://localhost/tmp/a%20b.png") == Path("/tmp/a b.png")


@pytest.mark.parametrize("image", ["gopher://x", "javascript:alert(1)", "s3://bucket/x.png"])
def test_other_schemes(fence: Fence, image: str) -> None:
    assert "http, https or data URL" in refusal(image, fence)


def test_a_path_with_a_nul(fence: Fence) -> None:
    assert "cannot be read" in refusal("a\0b.png", fence)


def test_base64(fence: Fence, tmp_path: Path) -> None:
    from PIL import Image

    for suffix in ("png", "jpg", "gif", "webp", "bmp", "tiff"):
        path = tmp_path / f"noise.{suffix}"
        Image.effect_noise((32, 32), 60).save(path)
        image = base64.b64encode(path.read_bytes()).decode()
        assert not is_path(image)
        assert pixels_of(image, fence, SETTINGS).shape == (32, 32, 3)
        assert pixels_of(f"data:image/x;base64,{image}", fence, SETTINGS).shape == (32, 32, 3)


def test_what_is_a_path() -> None:
    assert all(map(is_path, ("x.png", "/9j/x.jpg", "C:\\x.png", "file:///x.png", "-")))
    assert not any(map(is_path, ("http://a/x.png", "data:image/png;base64,AAAA")))
