"""`agent config`: the settings in effect, as a file that could set them."""

import json
import sys
from pathlib import Path

from foveal.agent.settings import SECRETS, Settings, Sourced, sourced
from foveal.terminal import printable


def tell(as_json: bool) -> int:
    """Print them on stdout. Secrets are not shown, only whether they are set."""
    found = sourced()
    if as_json:
        sys.stdout.write(json.dumps(_report(found), ensure_ascii=False) + "\n")
        return 0
    there = "" if found.file and found.file.is_file() else " (not there)"
    sys.stdout.write(printable(f"# {found.file}{there}\n"))
    lines = {name: _line(name, found.settings) for name in Settings.model_fields}
    width = max(map(len, lines.values()))
    for name, line in lines.items():
        sys.stdout.write(printable(f"{line.ljust(width)}  # {found.origins[name]}\n"))
    for name in found.strays:
        sys.stdout.write(printable(f"# {name} is set, and no setting of this version\n"))
    return 0


def _line(name: str, given: Settings) -> str:
    """As TOML; commented out where a file cannot or should not say it."""
    value = _shown(name, given)
    if value is None or name in SECRETS:
        return f"# {name} = {'...' if value else 'unset'}"
    return f"{name} = {json.dumps(value, ensure_ascii=False)}"


def _shown(name: str, given: Settings) -> str | int | float | bool | None:
    value = getattr(given, name)
    if name in SECRETS:
        return None if value is None else "..."
    if "@" in str(value):  # an address with a password in it, perhaps
        return "..."
    return str(value) if isinstance(value, Path) else value


def _report(found: Sourced) -> dict[str, object]:
    return {
        "file": str(found.file),
        "settings": {
            name: {"value": _shown(name, found.settings), "from": found.origins[name]}
            for name in Settings.model_fields
        },
    }
