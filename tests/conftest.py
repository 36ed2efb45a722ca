"""No accidents: no network beyond this machine, nothing phones home, every test gives its environment back.

Also the tiny checkpoints in the released format, which tests of several folders load.
"""

import atexit
import ipaddress
import json
import os
import runpy
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

QUIET = {
    "DO_NOT_TRACK": "1",
    "FOVEAL_CONFIG": os.devnull,  # whoever runs the suite may have settings of his own
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_OFFLINE": "1",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "RAY_AUTH_MODE": "disabled",  # else starting Ray writes a token into the home directory
    "RAY_USAGE_STATS_ENABLED": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_OFFLINE": "1",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_OFFLINE": "true",
    "YOLO_VERBOSE": "false",
}
SECRETS = ("OPENAI_API_KEY", "HF_TOKEN", "LANGSMITH_API_KEY", "ULTRALYTICS_API_KEY", "RAY_ADDRESS")

# Before any import of the libraries: most of them read these once, at import time.
os.environ.update(QUIET)
for name in [*SECRETS, *(key for key in os.environ if key.startswith("FOVEAL_"))]:
    if name not in QUIET:
        os.environ.pop(name, None)

# A shell that runs the suite in the background has it ignore interrupts, and so would every process it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest  # noqa: E402


class NetworkUse(RuntimeError):
    """A test tried to leave this machine."""


def _is_local(host: object) -> bool:
    """Whether a host names this machine: loopback, an unset host, or one of its own addresses."""
    name = host.decode() if isinstance(host, bytes) else host
    if not isinstance(name, str) or name in {"", "localhost", socket.gethostname()}:
        return True
    try:
        return ipaddress.ip_address(name.split("%")[0]).is_loopback or name in _OWN
    except ValueError:
        return False


def _own_addresses() -> frozenset[str]:
    """The addresses this machine's name stands for; Ray may use one instead of loopback."""
    try:
        found = socket.getaddrinfo(socket.gethostname(), None)
    except OSError:
        return frozenset()
    return frozenset(str(entry[4][0]) for entry in found)


_OWN = _own_addresses()
_connect, _connect_ex, _getaddrinfo = (
    socket.socket.connect,
    socket.socket.connect_ex,
    socket.getaddrinfo,
)


def _refuse_remote(sock: socket.socket, address: Any) -> None:
    if sock.family in {socket.AF_INET, socket.AF_INET6} and not _is_local(address[0]):
        raise NetworkUse(f"a test tried to reach {address!r}; use loopback or the scripted model")


def _guarded_connect(self: socket.socket, address: Any) -> None:
    _refuse_remote(self, address)
    return _connect(self, address)


def _guarded_connect_ex(self: socket.socket, address: Any) -> int:
    _refuse_remote(self, address)
    return _connect_ex(self, address)


def _guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
    """Resolve this machine and literal addresses; any other name needs the network."""
    name = host.decode() if isinstance(host, bytes) else host
    if not _is_local(name):
        try:
            ipaddress.ip_address(name)
        except ValueError:
            raise NetworkUse(f"a test tried to resolve {name!r}; no test needs a name") from None
    return _getaddrinfo(host, *args, **kwargs)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets reach this machine only (Ray and the server tests need loopback)."""
    monkeypatch.setattr(socket.socket, "connect", _guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", _guarded_connect_ex)
    monkeypatch.setattr(socket, "getaddrinfo", _guarded_getaddrinfo)


_VERDICT = pytest.StashKey[pytest.Session]()


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[_VERDICT] = session


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave with the verdict once it is told and Python's own exit handlers have run.

    By then a dozen native libraries are loaded, some with threads of their own (gRPC under Ray, Arrow, ONNX
    Runtime, OpenMP); the order in which a process takes them down is nobody's, and a crash there, in a library,
    has turned 4449 passed tests into a failure.
    """
    if _VERDICT in config.stash:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[_VERDICT].exitstatus)


@pytest.fixture(autouse=True)
def clean_environment() -> Iterator[None]:
    """Whatever a test does to the environment ends with the test."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


VPT = Path(__file__).parent / "data" / "vpt"
CHECKPOINT = ("pytorch_model.bin", "config.json", "generation_config.json", "preprocessor_config.json",
              "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "added_tokens.json",
              "special_tokens_map.json")  # fmt: skip
"""The files that a released checkpoint consists of."""


@pytest.fixture
def checkpoint_copy(tmp_path: Path) -> Callable[[str], Path]:
    """Copies of the checkpoints "clip" and "detection", to be changed by a test."""

    def copy(variant: str) -> Path:
        made = tmp_path / variant
        made.mkdir()
        for name in CHECKPOINT:
            shutil.copyfile(VPT / variant / name, made / name)
        return made

    return copy


@pytest.fixture(scope="session")
def seg_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the third variant, SAM: the language model of "clip", the rest random. Do not change it."""
    import torch

    made = tmp_path_factory.mktemp("seg")
    for name in CHECKPOINT[2:]:
        text = (VPT / "clip" / name).read_text(encoding="utf-8")
        (made / name).write_text(text.replace("<|clip_", "<|seg_"), encoding="utf-8")
    config = json.loads((VPT / "clip" / "config.json").read_text(encoding="utf-8"))
    ids = ("image_token_id", "action_id", "action_start_id")
    config |= {f"seg_{name}": config[f"clip_{name}"] for name in ids}
    config |= dict.fromkeys((f"clip_{name}" for name in ids), None)
    config |= {"vision_encoder_ls": ["sam"], "seg_config": TINY_SAM}
    (made / "config.json").write_text(json.dumps(config), encoding="utf-8")
    state = torch.load(VPT / "clip" / "pytorch_model.bin", weights_only=True)
    shared = {name: t for name, t in state.items() if not name.startswith("clip_projector.")}
    torch.save(shared | _seg_tensors(config["hidden_size"]), made / "pytorch_model.bin")
    return made


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Installs a package that offers a specialist, `Made` in its one module; installed again, it is replaced."""
    site = tmp_path / "site"

    def install(package: str, name: str, code: str, version: str = "1.0") -> None:
        module, info = f"offered_by_{package}", site / f"{package}-1.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        about = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        (info / "METADATA").write_text(about, encoding="utf-8")
        entry = f"[foveal.specialists]\n{name} = {module}:Made\n"
        (info / "entry_points.txt").write_text(entry, encoding="utf-8")
        (site / f"{module}.py").write_text(code, encoding="utf-8")
        monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two versions within a second
        monkeypatch.syspath_prepend(str(site))

    return install


@pytest.fixture(scope="session")
def chat_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Folders of tiny vision chat models by family, as `tests/families.py` makes them. Do not change them."""
    made: dict[tuple[str, bool], Path] = {}

    def folder(family: str, eager: bool = False) -> Path:
        if (family, eager) not in made:
            make = runpy.run_path(str(Path(__file__).parent / "families.py"))["make"]
            made[family, eager] = tmp_path_factory.mktemp(family)
            make(family, made[family, eager], eager)
        return made[family, eager]

    return folder


@pytest.fixture
def server() -> Iterator[Any]:
    """An OpenAI-compatible server on loopback that says what a test tells it to: `tests/loopback.py`."""
    made = runpy.run_path(str(Path(__file__).parent / "loopback.py"))["Loopback"]()
    yield made
    made.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A PostgreSQL server that is started for these tests: `tests/postgres.py`."""
    found = runpy.run_path(str(Path(__file__).parent / "postgres.py"))
    if not (found["program"]("initdb") and found["program"]("pg_ctl")):
        pytest.skip("there is no PostgreSQL server here: apt-get install postgresql")
    server = found["Server"]()
    yield server
    server.close()


@pytest.fixture(scope="session")
def wild() -> SimpleNamespace:
    """What models write that nobody asked for: `tests/wild.py`."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).parent / "wild.py")))


TINY_SAM: dict[str, Any] = {
    "model_type": "sam_vision_model", "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "mlp_dim": 32, "global_attn_indexes": [1], "window_size": 14, "image_size": 1024, "patch_size": 16,
    "output_channels": 256,
}  # fmt: skip


def _seg_tensors(hidden: int) -> dict[str, Any]:
    """SAM's image encoder and its projector, random but lively."""
    import torch
    from transformers import SamVisionConfig
    from transformers.models.sam.modeling_sam import SamVisionEncoder

    from foveal.agent.projectors import SegProjector

    modules = {
        "seg_model": SamVisionEncoder(SamVisionConfig(**TINY_SAM)),
        "seg_projector": SegProjector(256, hidden),
    }
    random = torch.Generator().manual_seed(0)
    made = {}
    for part, module in modules.items():
        for name, tensor in module.state_dict().items():
            noise = torch.randn(tensor.shape, generator=random)
            scale = 1 / max(tensor[0].numel(), 16) ** 0.5
            level = 1 if "norm" in name and name.endswith("weight") else 0
            made[f"{part}.{name}"] = level + scale * noise
    return made
