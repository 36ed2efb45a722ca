"""Ultralytics without its side effects: no settings file, no network, no patched libraries."""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ONCE = threading.Lock()
_SWITCHES = {"YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true", "YOLO_VERBOSE": "false"}


def import_ultralytics() -> None:
    """Import ultralytics once, quietly; what the user has set in the environment wins."""
    import numpy as np
    import torch  # first: ultralytics sets OMP_NUM_THREADS, which torch reads when it starts
    from PIL import Image

    with _ONCE, _restored_environment(), tempfile.TemporaryDirectory() as folder:
        for name, value in {**_SWITCHES, "YOLO_CONFIG_DIR": folder}.items():
            os.environ.setdefault(name, value)
        printing, save, opener = np.get_printoptions(), torch.save, Image.open
        import ultralytics.nn.tasks
        import ultralytics.utils

        dict.__setitem__(ultralytics.utils.SETTINGS, "sync", False)
        np.set_printoptions(**printing)
        torch.save, Image.open = save, opener  # its `open` installs a decoder for what is no image
        torch.set_printoptions(profile="default")


@contextmanager
def _restored_environment() -> Iterator[None]:
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        for name, value in before.items():
            if os.environ.get(name) != value:
                os.environ[name] = value
