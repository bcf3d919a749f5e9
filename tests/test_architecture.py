"""The table of rooms and of what each may import, held against every import and every hook."""

import ast
from pathlib import Path

import pytest

from tests import rooms

PACKAGE = Path(__file__).parent.parent / "pyg_jets"
EVERYWHERE = {"columns", "errors", "files", "provenance"}
GROUND = {"jets", "kinematics"}
DATA = {
    *GROUND, "ops", "io", "substructure", "events", "detector", "transforms", "datasets", "loader"
}  # fmt: skip
NETWORKS = {"nn", "losses", "metrics"}

# One row a room: what it may import besides EVERYWHERE and itself.
MAY_IMPORT = {
    "columns": set(),
    "errors": set(),
    "files": set(),
    "provenance": set(),
    "kinematics": set(),
    "ops": set(),
    "jets": {"kinematics"},
    "io": {*GROUND, "ops"},  # ops: the kernel that unpads
    "substructure": {*GROUND, "ops"},
    "events": {*GROUND, "io", "ops", "substructure"},
    "detector": {*GROUND, "ops", "substructure"},
    "transforms": {*GROUND, "ops", "substructure", "detector"},
    "datasets": {*GROUND, "ops", "io", "substructure", "events", "detector", "transforms"},
    "loader": {"ops"},
    "nn": {"kinematics", "ops"},
    "losses": {"kinematics", "ops"},
    "metrics": {"kinematics", "ops", "substructure"},
    "runs": {*GROUND, "io", "metrics"},
    "training": {*DATA, *NETWORKS, "runs"},
    "scan": {"training", "runs"},
    "report": {*GROUND, "io", "ops", "substructure", "metrics", "runs"},
    "configs": set(),
    "studies": {*DATA, *NETWORKS, "runs", "training", "scan", "report", "configs"},
    "cli": {*DATA, *NETWORKS, "runs", "training", "scan", "report", "configs", "studies"},
    "saved_run": {"runs", "training"},  # a run and its model, behind pyg_jets.load_run
    "__init__": {"jets", "loader", "saved_run"},
}

# What the package itself exports lazily, and the room that each comes from.
EXPORTS = {"JetArray": "jets", "JetLoader": "loader", "load_run": "saved_run"}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Every room that a file imports, also inside functions and under TYPE_CHECKING."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            raise AssertionError(f"{path}: relative import")
        if isinstance(node, ast.ImportFrom) and node.module == "pyg_jets":
            rooms |= {EXPORTS.get(alias.name, alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pyg_jets."):
            rooms.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            names = [a.name.split(".") for a in node.names]
            rooms |= {n[1] if len(n) > 1 else "__init__" for n in names if n[0] == "pyg_jets"}
    return rooms


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_only_what_the_table_grants(path):
    here = room(path)
    assert here in MAY_IMPORT, f"{here} is a new room: give it a row in the table"
    granted = MAY_IMPORT[here] | EVERYWHERE | {here, "__version__"}
    assert imports(path) <= granted


# Methods by which a list, a dictionary, a set or a registry is changed.
MUTATING = {
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem",
    "register", "remove", "setdefault", "update", "__setattr__", "__setitem__",
}  # fmt: skip


def imported_names(tree: ast.AST, here: str) -> dict[str, str]:
    """Names bound by an import from another room of the package, with the room of each."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pyg_jets":
            below = (node.module or "").split(".")[1:2]
            for alias in node.names:
                names[alias.asname or alias.name] = (below or [alias.name])[0]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "pyg_jets":
                    parts = alias.name.split(".") if alias.asname else ["pyg_jets"]
                    names[alias.asname or "pyg_jets"] = parts[1] if len(parts) > 1 else "__init__"
    return {name: room for name, room in names.items() if EXPORTS.get(room, room) != here}


def root_name(node: ast.AST) -> str | None:
    """The name that a chain of attributes and subscripts begins with: ``a`` of ``a.b[c].d``."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def filled_hooks(source: str, here: str) -> list[str]:
    """Lines in which a file of the room ``here`` changes what another room holds.

    Such a line is an assignment to (or a deletion of) an attribute or an item of something
    imported, ``setattr`` on it, or a call of a method that changes a container or a registry.
    """
    tree = ast.parse(source)
    imported = imported_names(tree, here)
    changed: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Subscript):
            changed += [node] * isinstance(node.ctx, ast.Store | ast.Del)
        elif isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name) and function.id in ("setattr", "delattr"):
                changed += node.args[:1]
            elif isinstance(function, ast.Name) and function.id.startswith("register"):
                changed.append(function)
            elif isinstance(function, ast.Attribute) and function.attr in MUTATING:
                changed.append(function.value)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            changed += [d for d in node.decorator_list if "register" in ast.unparse(d)]
    hooks = {node.lineno: node for node in changed if root_name(node) in imported}
    lines = source.splitlines()
    return [f"line {number}: {lines[number - 1].strip()}" for number in sorted(hooks)]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_fills_no_hook_of_another_room(path):
    assert filled_hooks(path.read_text(), room(path)) == []


HOOKS = (
    "from pyg_jets.jets.convert import READERS\nREADERS['root'] = read",
    "from pyg_jets.jets.convert import READERS as table\ntable.update(root=read)",
    "from pyg_jets.jets import convert\nconvert.READERS['root'] = read",
    "from pyg_jets.jets import convert\nconvert.read_root = read",
    "from pyg_jets.jets import convert\nsetattr(convert, 'read_root', read)",
    "from pyg_jets.jets import convert\ndel convert.read_root",
    "import pyg_jets.jets.convert\npyg_jets.jets.convert.HOOKS += [read]",
    "import pyg_jets.jets.convert as c\nc.HOOKS.append(read)",
    "from pyg_jets import JetArray\nJetArray.from_root = classmethod(read)",
    "def fill():\n    from pyg_jets import JetArray\n    JetArray.readers.setdefault('a', read)",
    "from pyg_jets.jets import register\n@register\ndef read(): ...",
    "from pyg_jets.jets import convert\n@convert.readers.register('root')\ndef read(): ...",
    "from pyg_jets.jets.convert import register_reader\nregister_reader('root', read)",
)
NO_HOOKS = (
    "from pyg_jets.io.npz import TABLE\nTABLE['x'] = 1",  # its own room
    "from pyg_jets.jets import JetArray\njets = JetArray(x)\njets.note = 'own object'",
    "from pyg_jets.jets import JetArray\nparts = []\nparts.append(JetArray(x))",
    "import numpy as np\nnp.values = 1",  # no room of the package
)


@pytest.mark.parametrize("source", HOOKS)
def test_a_hook_is_noticed(source):
    assert len(filled_hooks(source, "io")) == 1


@pytest.mark.parametrize("source", NO_HOOKS)
def test_what_is_no_hook_passes(source):
    assert filled_hooks(source, "io") == []


def test_top_level_folders():
    top = {p.name for p in PACKAGE.parent.iterdir() if p.is_dir() and p.name[0] != "."}
    grown = {"runs", "data", "wandb", "lightning_logs", "build", "dist", "pyg_jets.egg-info"}
    assert top - grown - {"pyg_jets", "datasets", "tests", "docs"} == set()


def test_the_picture_has_every_room():
    drawn = {room for _, _, floor in rooms.FLOORS for room, _ in floor}
    assert drawn | {room for room, _ in rooms.NETWORKS} == set(MAY_IMPORT) - {"__init__"}
    assert rooms.PICTURE.read_text() == rooms.svg(), "python -m tests.rooms draws it anew"
