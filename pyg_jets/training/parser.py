"""The parser of ``pyg-jets fit``: configurations by name, and errors of one sentence.

jsonargparse prints an error below a hundred lines of usage, and names every type that it tried.
Here the error is an `InputError` that says which option it is, what came and what was expected.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable
from typing import Any, NoReturn

import yaml
from jsonargparse import ActionConfigFile
from lightning.pytorch.cli import LightningArgumentParser

from pyg_jets.errors import InputError, did_you_mean
from pyg_jets.files import config_path, is_config_text, read_config

__all__ = ["ConfigByName", "JetArgumentParser", "parser_sentence"]

#: Modules whose classes are proposed for a class path that cannot be imported.
_PROPOSED = (
    "pyg_jets.nn", "pyg_jets.datasets", "pyg_jets.transforms", "pyg_jets.losses", "torch.optim",
    "torch.optim.lr_scheduler",
)  # fmt: skip


class ConfigByName(ActionConfigFile):
    """``--config``: a path, a name of the package, or YAML text; a ``config:`` list in it first."""

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: Any = None) -> None:
        """Apply the configuration to what was read before it."""
        trees = read_config(values)
        if len(trees) > 1:
            texts = [yaml.safe_dump(tree) for tree in trees]
        else:
            texts = [values if is_config_text(values) else str(config_path(values))]
        for text in texts:
            super().__call__(parser, cfg, text, option_string)


class JetArgumentParser(LightningArgumentParser):
    """LightningCLI's parser without abbreviated options, whose errors are `InputError`."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise an error that says in a sentence what is wrong with an option."""
        if not self.exit_on_error:  # jsonargparse tries one type of several
            super().error(message, ex)
        parser = getattr(ex, "subcommand_parser", None) or self
        raise InputError(parser_sentence(message, parser._option_string_actions)) from ex


def parser_sentence(message: str, options: Iterable[str]) -> str:
    """Say what a parser of jsonargparse or argparse refuses, in one sentence.

    Args:
        message: The parser's own message.
        options: The options that it takes, to propose one.

    Examples:
        >>> parser_sentence("unrecognized arguments: --sampels=3", ["--samples", "--tree"])
        "There is no option --sampels. Did you mean '--samples'?"
        >>> parser_sentence('''Parser key "model.network":
        ...   Problem with given class_path 'pyg_jets.nn.PFM':
        ...     module 'pyg_jets.nn' has no attribute 'PFM' ''', [])
        "model.network: there is no pyg_jets.nn.PFM. Did you mean 'pyg_jets.nn.PFN'?"
        >>> parser_sentence('''Parser key "trainer.max_epochs":
        ...   Subtypes: [<class 'int'>, <class 'NoneType'>]
        ...   Given value: many''', [])
        'Expected trainer.max_epochs as one of int, None, but got many.'
    """
    key = ".".join(re.findall(r'Parser key "(.+?)"', message))
    paths = re.findall(r"class_path[ =]'([\w.]+)'", message)
    if match := re.search(r"Importing '([\w.]+)' is not allowed", message):
        return (
            f"{key.rpartition('config.')[2] or 'class_path'}: a configuration may not name "
            f"{match[1]}, which runs, loads or fetches code: name a class of your own or of a "
            "package for networks or data."
        )
    if match := re.match(r"unrecognized arguments: (\S+)", message):
        name = match[1].partition("=")[0]
        what = "option" if name.startswith("-") else "argument"
        return f"There is no {what} {name}." + did_you_mean(name, options)
    if match := re.search(r"does not accept option '(\S+)'", message):
        names = [option.removeprefix("--") for option in options]
        return f"There is no key {match[1]} for a configuration." + did_you_mean(match[1], names)
    if match := re.search(r"Option '(\S+)' is not accepted", message):
        return f"{paths[-1]} has no argument {match[1]}." + did_you_mean(
            match[1], _arguments(paths[-1])
        )
    if match := re.search(r"module '([\w.]+)' has no attribute '(\w+)'", message):
        name = f"{match[1]}.{match[2]}"
        names = [f"{match[1]}.{name}" for name in _public(match[1])]
        return f"{key}: there is no {name}." + did_you_mean(name, [*names, *_proposed()])
    if match := re.search(r"No module named '([\w.]+)'", message):
        return (
            f"{key}: there is no module {match[1]}, neither in the working folder nor installed."
            + did_you_mean(paths[-1], _proposed())
        )
    if match := re.search(r"Expected a dot import path string: (\w+)$", message):
        return (
            f"Expected {key} as a class path such as package.module.Class, but got {match[1]}."
            + did_you_mean(match[1], _proposed())
        )
    if match := re.search(r"Expected an? ([^\n]+)\. Got value: (.*)", message):
        return f"Expected {key} as {_types(match[1])}, but got {match[2]}."
    if match := re.search(r"Subtypes: \[(.*)\]\n(?s:.*)Given value: (.*)", message):
        return f"Expected {key} as one of {_types(match[1])}, but got {match[2]}."
    if match := re.match(r"the following arguments are required: (.*)", message):
        names = [re.sub(r"^(fit|validate|test|predict)\.", "", n) for n in match[1].split(", ")]
        return (
            f"Expected values for {', '.join(names)}, but got none: give a configuration that has "
            "them, such as --config tagger."
        )
    return " ".join(message.split()).removeprefix('Parser key "config": ')


def _types(text: str) -> str:
    """Names of types without their modules, such as ``int, None``."""
    text = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", text)
    return text.replace("NoneType", "None").replace("typing.", "")


def _arguments(class_path: str) -> list[str]:
    module, _, name = class_path.rpartition(".")
    return list(inspect.signature(getattr(importlib.import_module(module), name)).parameters)


def _public(module: str) -> list[str]:
    return [name for name in dir(importlib.import_module(module)) if not name.startswith("_")]


def _proposed() -> list[str]:
    return [f"{module}.{n}" for module in _PROPOSED for n in _public(module) if n[0].isupper()]
