"""What every page shares: its marker, its template, and how its folder is written."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from pyg_jets import __version__
from pyg_jets.files import claim_folder, read_json, require, write_aside, write_json

__all__ = ["MARKER", "PAGE", "claim", "render", "require_report", "write_page"]

PAGE = "index.html"
#: The file that marks a folder as a report, and names the files that belong to it.
MARKER = "pyg_jets_report.json"


def require_report() -> None:
    """Check that the packages which make a report are installed.

    Raises:
        ModuleNotFoundError: Without matplotlib, mplhep and jinja2 (``pyg-jets[report]``).
    """
    for module in ("matplotlib", "mplhep", "jinja2"):
        require(module, "report")


def claim(out: str | Path) -> Path:
    """Return the folder of a report, once it is sure that one can be made there.

    Raises:
        FileExistsError: If it holds something else than a report.
        ModuleNotFoundError: Without matplotlib, mplhep and jinja2 (``pyg-jets[report]``).
    """
    require_report()
    return claim_folder(out, MARKER, "a report")


def render(template: str, context: Mapping[str, Any]) -> str:
    """Fill a template of this package; it gets the style sheet as ``css`` too.

    Args:
        template: The file's name.
        context: Everything the template names.
    """
    jinja2 = require("jinja2", "report")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**context, css=_read("page.css"))


def _read(name: str) -> str:
    return (files("pyg_jets.report") / name).read_text(encoding="utf-8")


def write_page(out: Path, contents: Mapping[str, bytes]) -> Path:
    """Write the files one by one, the page last; drop those of an earlier report.

    Args:
        out: The folder.
        contents: Each file's bytes by its name, :data:`PAGE` the last of them.
    """
    earlier = read_json(out / MARKER) if (out / MARKER).exists() else {}
    stale = earlier.get("files", []) if isinstance(earlier, dict) else []
    write_json(out / MARKER, {"version": __version__, "files": sorted(contents)})
    for name, content in contents.items():
        with write_aside(out / name) as part:
            part.write_bytes(content)
    for name in stale:
        if isinstance(name, str) and name == Path(name).name and name not in contents:
            (out / name).unlink(missing_ok=True)
    return out / PAGE
