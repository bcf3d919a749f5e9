"""Every layout, found by the names of the files."""

import importlib
import pkgutil

import tests.datasets.layouts as here

_HELPERS = {"all", "layout", "momenta"}

LAYOUTS = {
    name: importlib.import_module(f"tests.datasets.layouts.{name}").LAYOUT
    for _, name, _ in pkgutil.iter_modules(here.__path__)
    if name not in _HELPERS
}
