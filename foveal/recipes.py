"""`agent train`: the recipes of the embedded weights, their options read from what each training declares."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Never

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from foveal.agent.errors import InputError
from foveal.agent.loudness import quiet
from foveal.following import followed
from foveal.tools.extras import needs


@dataclass(frozen=True)
class Recipe:
    """How one of the networks is trained: `foveal.training.<module>.train(<options>)`."""

    module: str
    options: str
    extra: str


RECIPES = {
    "detector": Recipe("detector", "DetectorOptions", "detector"),
    "segmenter": Recipe("segmenter", "SegmenterOptions", "segmenter"),
    "depth": Recipe("depth", "DepthOptions", "models"),
    "model": Recipe("model", "ModelOptions", "models"),
}


def train(name: str, words: Sequence[str]) -> int:
    """Train one network; `words` are its options as typed."""
    recipe = RECIPES[name]
    with needs("models"):
        import torch  # noqa: F401
    with needs(recipe.extra):
        module: Any = import_module(f"foveal.training.{recipe.module}")
        options = parsed(name, getattr(module, recipe.options), words)
        if options is None:
            return 0
        if not quiet():
            sys.stderr.write(f"training the {name}; progress is written to {options.out}\n")
        with followed(f"training the {name}", options.out):
            module.train(options)
    return 0


def parsed(name: str, kind: type[BaseModel], words: Sequence[str]) -> Any:
    """The options as typed, or None when help was asked for and has been given."""
    parser = _parser(name, kind)
    typed = vars(parser.parse_args(words))
    if typed.pop("help", False):
        sys.stdout.write(parser.format_help())
        return None
    given = {field: _value(kind.model_fields[field], text) for field, text in typed.items()}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        option = _flag(str(first["loc"][0]))
        raise InputError(f"invalid value {first['input']!r} for {option}: {first['msg']}") from None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Never:
        _, found, typed = message.partition("unrecognized arguments: ")
        near = (
            get_close_matches(typed.split("=")[0].split()[0], self._option_string_actions)
            if found
            else []
        )
        meant = f" (did you mean {near[0]}?)" if near else ""
        raise InputError(f"{message}{meant}; see {self.prog} --help")


def _parser(name: str, kind: type[BaseModel]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"agent train {name}",
        description=f"{sys.modules[kind.__module__].__doc__}",
        epilog=f"Examples:\n  agent train {name} --out runs/{name} --minutes 30\n"
        f"  agent train {name} --out runs/{name} --steps 100 --count 200 --seed 7",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument("--help", action="store_true", help="Show this message and exit.")
    for field, info in kind.model_fields.items():
        words = f"{_described(kind, field)} [default: {_shown(info.default)}]"
        parser.add_argument(_flag(field), metavar="VALUE", help=words.replace("%", "%%"))
    return parser


def _described(kind: type[BaseModel], field: str) -> str:
    """The description, also where a subclass only changes the default."""
    bases = (base for base in kind.__mro__ if issubclass(base, BaseModel))
    fields = (base.model_fields.get(field) for base in bases)
    return next((info.description for info in fields if info and info.description), "")


def _value(info: FieldInfo, text: str) -> str | list[str]:
    return text.split(",") if isinstance(info.default, tuple) else text


def _shown(default: object) -> str:
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _flag(field: str) -> str:
    return "--" + field.replace("_", "-")
