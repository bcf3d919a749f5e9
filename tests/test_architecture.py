"""The table of rooms and of what each may import, and a walk over every import that holds it."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "pyg_jets"
EVERYWHERE = {"columns", "errors", "files", "provenance"}
GROUND = {"jets", "kinematics"}
DATA = {*GROUND, "ops", "io", "events", "detector", "transforms", "datasets", "loader"}
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
    "events": {*GROUND, "io", "ops"},  # ops: the substructure kernel
    "detector": {*GROUND, "ops"},
    "transforms": {*GROUND, "ops", "detector"},
    "datasets": {*GROUND, "ops", "io", "events", "detector", "transforms"},
    "loader": {"ops"},
    "nn": {"kinematics", "ops"},
    "losses": {"kinematics", "ops"},
    "metrics": {"kinematics", "ops"},
    "runs": {*GROUND, "io", "metrics"},
    "training": {*DATA, *NETWORKS, "runs"},
    "scan": {"training", "runs"},
    "report": {*GROUND, "io", "ops", "metrics", "runs"},
    "configs": set(),
    "studies": {*DATA, *NETWORKS, "runs", "training", "scan", "report", "configs"},
    "cli": {*DATA, *NETWORKS, "runs", "training", "scan", "report", "configs", "studies"},
    "__init__": {"jets", "io", "loader", "runs", "training"},  # io: behind JetArray.from_root
}

# What the package itself exports lazily, and the room that each comes from.
EXPORTS = {"JetArray": "jets", "JetLoader": "loader", "load_run": "runs"}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Every room that a file imports, also inside functions and under TYPE_CHECKING."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            raise AssertionError(f"{path}: relative import")
        if isinstance(node, ast.ImportFrom) and node.module == "pyg_jets":
            found |= {EXPORTS.get(alias.name, alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pyg_jets."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            names = [a.name.split(".") for a in node.names]
            found |= {n[1] if len(n) > 1 else "__init__" for n in names if n[0] == "pyg_jets"}
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_only_what_the_table_grants(path):
    here = room(path)
    assert here in MAY_IMPORT, f"{here} is a new room: give it a row in the table"
    granted = MAY_IMPORT[here] | EVERYWHERE | {here, "__version__"}
    assert imports(path) <= granted


def test_top_level_folders():
    top = {p.name for p in PACKAGE.parent.iterdir() if p.is_dir() and p.name[0] != "."}
    grown = {"runs", "data", "wandb", "lightning_logs", "build", "dist", "pyg_jets.egg-info"}
    assert top - grown - {"pyg_jets", "datasets", "tests", "docs"} == set()
