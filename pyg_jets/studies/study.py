"""A study as a folder, and a run of it: scans, cached measurements, and the pages they end in.

A study is a folder with a ``README.md`` and sweep files. Four modules are optional:
``claims.py`` (``CLAIMS``, what is tested on the cells of its scans), ``measures.py``
(``measures(run)``, what is measured beyond the scans), ``page.py`` (``page(run)``, which
returns a :class:`~pyg_jets.studies.page.Page` or several) and ``sections.py`` (``SECTIONS``, see
:class:`~pyg_jets.studies.section.Section`: parts that can be run one at a time).

Examples:
    >>> study = Study.load("broken_symmetry")
    >>> study.title, study.quick
    ('Broken symmetries', ('sweep_quick',))
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from pyg_jets import __version__
from pyg_jets.errors import InputError, MissingFileError, did_you_mean
from pyg_jets.files import load_yaml, read_json, require, write_json
from pyg_jets.provenance import invocation, timestamp
from pyg_jets.studies.page import Page
from pyg_jets.studies.section import Section

if TYPE_CHECKING:
    from pyg_jets.runs import Point, Scan

__all__ = ["Study", "StudyRun", "list_studies", "run_study", "write_pages"]

Value = TypeVar("Value")
_STUDIES = Path(__file__).parent
_README = "README.md"


@dataclass(frozen=True)
class Study:
    """A folder that holds everything of a study.

    Args:
        name: The folder's name.
        folder: The folder.
        head: The YAML head of its ``README.md``.
        text: The text below it.
    """

    name: str
    folder: Path
    head: dict[str, Any]
    text: str

    @classmethod
    def load(cls, name: str | Path) -> Study:
        """The study of this name, or the one in this folder.

        Args:
            name: The name of a study that ships with the package, or a folder with a
                ``README.md``.

        Raises:
            InputError: If there is none.
        """
        folder = _STUDIES / name if str(name) in list_studies() else Path(name).resolve()
        if not (folder / _README).is_file():
            raise InputError(
                f"There is no study {name}, neither among {', '.join(list_studies())} nor as a "
                f"folder with a {_README}.{did_you_mean(str(name), list_studies())}"
            )
        head, text = _read_head(folder / _README)
        return cls(folder.name, folder, head, text)

    @property
    def title(self) -> str:
        """Its title: that of the head, else the first heading of the text, else its name."""
        headings = (line[2:] for line in self.text.splitlines() if line.startswith("# "))
        return str(self.head.get("title") or next(headings, self.name.replace("_", " ")))

    @property
    def sections(self) -> tuple[Section, ...]:
        """The parts that can be run one at a time; none without a ``sections.py``."""
        module = self.module("sections")
        return () if module is None else tuple(module.SECTIONS)

    @property
    def sweeps(self) -> tuple[str, ...]:
        """Stems of the sweep files of a full run: those of its sections, or listed in the head.

        A study without either runs all its ``sweep*.yaml``.
        """
        if sections := self.sections:
            return tuple(stem for section in sections for stem in section.sweeps(quick=False))
        return self._listed("sweeps", lambda stem: "quick" not in stem)

    @property
    def quick(self) -> tuple[str, ...]:
        """Stems of the sweep files of a quick run, likewise, of ``sweep*quick*.yaml``."""
        if sections := self.sections:
            return tuple(stem for section in sections for stem in section.sweeps(quick=True))
        return self._listed("quick", lambda stem: "quick" in stem)

    def _listed(self, key: str, wanted: Callable[[str], bool]) -> tuple[str, ...]:
        if key in self.head:
            return tuple(map(str, self.head[key] or ()))
        stems = sorted(path.stem for path in self.folder.glob("sweep*.yaml"))
        return tuple(filter(wanted, stems))

    def sweep_file(self, stem: str) -> Path:
        """The path of a sweep file.

        Args:
            stem: Its name without ``.yaml``.
        """
        if not (path := self.folder / f"{stem}.yaml").is_file():
            raise MissingFileError(f"The study {self.name} has no {stem}.yaml in {self.folder}.")
        return path

    def module(self, name: str) -> ModuleType | None:
        """One of its optional Python modules; ``None`` if the folder has none of this name.

        Args:
            name: ``"claims"``, ``"measures"``, ``"page"`` or ``"sections"``.
        """
        path = self.folder / f"{name}.py"
        if not path.is_file():
            return None
        if self.folder.parent == _STUDIES:
            return importlib.import_module(f"pyg_jets.studies.{self.name}.{name}")
        if str(self.folder.parent) not in sys.path:
            sys.path.insert(0, str(self.folder.parent))
        importlib.invalidate_caches()
        try:
            module = importlib.import_module(f"{self.name}.{name}")
        except ModuleNotFoundError as error:
            if error.name not in (self.name, f"{self.name}.{name}"):
                raise
            module = None
        if module is None or Path(str(module.__file__)).resolve() != path:
            raise InputError(
                f"{path} cannot be imported as {self.name}.{name}, as another package is called "
                f"{self.name} or the name is none that Python takes: rename the folder."
            )
        return module


def list_studies() -> tuple[str, ...]:
    """Names of the studies that ship with the package, in alphabetical order."""
    return tuple(sorted(path.parent.name for path in _STUDIES.glob(f"*/{_README}")))


def _read_head(path: Path) -> tuple[dict[str, Any], str]:
    """The YAML head of a Markdown file, empty without one, and the text below it."""
    text = path.read_text(encoding="utf-8")
    parts = text.split("---\n", 2)
    if len(parts) < 3 or parts[0].strip():
        return {}, text.strip()
    head = load_yaml(parts[1], f"The head of {path}")
    if not isinstance(head, dict):
        raise InputError(f"Expected names and values in the head of {path}, but got {head!r:.40}.")
    return head, parts[2].strip()


class StudyRun:
    """A run of a study: its folder, what is in it, and what is still to be made.

    Args:
        study: The study.
        folder: The run's folder, with ``scans/`` and ``measures/``. Default:
            ``runs/studies/NAME``, for a quick run ``runs/studies/NAME-quick``.
        quick: Whether it is a quick run, with fewer jets.
        workers: Local processes of a scan. Default: the number of cores.
        out: Where the pages go. Default: ``docs/results`` for a full run of a study of the package
            in a checkout of it, else ``folder``.
        only_read: Whether nothing is trained or measured: what is missing is then an error.
        command: The command, for the record. Default: that of this process.
        only: Names of the sections that are run. Default: all.

    Raises:
        InputError: If ``only`` names a section that the study has not.
    """

    def __init__(
        self,
        study: Study,
        folder: str | Path | None = None,
        quick: bool = False,
        workers: int | None = None,
        out: str | Path | None = None,
        only_read: bool = False,
        command: str | None = None,
        only: Sequence[str] | None = None,
    ):
        if out is None:
            in_checkout = Path("docs/results").is_dir() and Path("pyg_jets/studies").is_dir()
            ours = study.folder.parent == _STUDIES
            out = "docs/results" if in_checkout and ours and not quick and not folder else folder
        default = Path("runs/studies") / f"{study.name}{'-quick' * quick}"
        self.study, self.quick, self.workers, self.only_read = study, quick, workers, only_read
        self.folder, self.out = Path(folder or default), Path(out or default)
        self.command = command or invocation()
        self.sections = _chosen(study, only)

    @property
    def sweeps(self) -> tuple[str, ...]:
        """Stems of the sweep files of this run."""
        return self.study.quick if self.quick else self.study.sweeps

    def scan_folder(self, sweep: str) -> Path:
        """The folder of a scan.

        Args:
            sweep: Stem of the sweep file.
        """
        return self.folder / "scans" / sweep

    def scan(
        self, sweep: str, count: int | None = None, after: Callable[[Point], None] | None = None
    ) -> Scan:
        """A scan of this study, run as far as it is not finished.

        Args:
            sweep: Stem of the sweep file.
            count: Number of points, at most.
            after: Called with each point as soon as it is finished.

        Raises:
            InputError: If a point failed.
            MissingFileError: If the scan has not been run, and the run only reads.
        """
        from pyg_jets.runs import load_scan
        from pyg_jets.scan.engine import run_scan

        folder = self.scan_folder(sweep)
        if not self.only_read:
            file = self.study.sweep_file(sweep)
            ended = run_scan(
                file, folder, self.workers, count=count, command=self.command, after=after
            )
            if ended["failed"]:
                raise InputError(
                    f"{ended['failed']} points of {file.name} failed: log.txt in their folders "
                    f"below {folder / 'points'} says why; the same command tries them again."
                )
        elif not folder.is_dir():
            raise MissingFileError(
                f"{folder} is not there: pyg-jets study run {self.study.name} makes it."
            )
        return load_scan(folder)

    def scans(self) -> list[Scan]:
        """The scans of this run that are there, in the order of the study's sweep files."""
        from pyg_jets.runs import load_scan

        return [load_scan(f) for stem in self.sweeps if (f := self.scan_folder(stem)).is_dir()]

    def files(self, name: str) -> Path:
        """A folder for files that a measurement leaves beside its value.

        Args:
            name: Name of the measurement.
        """
        folder = self.folder / "measures" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def measure(self, name: str, make: Callable[..., Value], **inputs: Any) -> Value:
        """The value of a measurement, from the cache if it was made with the same inputs.

        The cache is ``measures/NAME.json`` in the run's folder, with what made it: version, date,
        command and seconds. To measure again, remove that file.

        Args:
            name: Name of the measurement.
            make: The function that measures; it gives plain values, as JSON holds them.
            **inputs: Its arguments, plain values too: others give another measurement.

        Raises:
            MissingFileError: If it has not been made, and the run only reads.
        """
        path = self.folder / "measures" / f"{name}.json"
        plain_inputs = _plain(inputs)
        if path.is_file():
            record = read_json(path)
            if record.get("inputs") == plain_inputs or self.only_read:
                return record["value"]
        if self.only_read:
            raise MissingFileError(
                f"{path} is not there: pyg-jets study run {self.study.name} makes it."
            )
        started = time.perf_counter()
        value = _plain(make(**inputs))
        record = {
            "name": name,
            "inputs": plain_inputs,
            "version": __version__,
            "date": timestamp(),
            "command": self.command,
            "seconds": round(time.perf_counter() - started, 3),
            "value": value,
        }
        write_json(path, record)
        return value

    def measured(self, name: str) -> Any:
        """The value of a measurement that is in the cache, else ``None``."""
        path = self.folder / "measures" / f"{name}.json"
        return read_json(path)["value"] if path.is_file() else None

    def measurements(self) -> list[dict[str, Any]]:
        """The records of all measurements, without their values, in the order of their dates."""
        records = map(read_json, sorted((self.folder / "measures").glob("*.json")))
        shown = [{k: v for k, v in record.items() if k != "value"} for record in records]
        return sorted(shown, key=lambda record: record["date"])


def _chosen(study: Study, only: Sequence[str] | None) -> tuple[Section, ...]:
    sections = {section.name: section for section in study.sections}
    for name in only or ():
        if name not in sections:
            raise InputError(
                f"The study {study.name} has no section {name}, but "
                f"{', '.join(sections) or 'none at all'}.{did_you_mean(name, list(sections))}"
            )
    return tuple(each for name, each in sections.items() if only is None or name in only)


def _plain(value: Any) -> Any:
    """Mappings with text keys, lists, numbers and texts, as JSON gives them back."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Path):
        return str(value)
    return value.item() if hasattr(value, "item") else value


def run_study(run: StudyRun, formats: Sequence[str] = ("png",)) -> list[Path]:
    """Run the scans and the measurements of a study, and write its pages.

    What is finished is kept: a run that was stopped goes on.

    Args:
        run: The run.
        formats: Formats of the files of figures, see :func:`write_pages`.

    Returns:
        The paths of the pages.
    """
    from pyg_jets.report.folder import require_report

    require_report()  # before hours are spent
    if run.sweeps:
        require("distributed", "scan")
    for section in run.sections:
        _run_section(run, section)
    for sweep in () if run.study.sections else run.sweeps:
        run.scan(sweep)
    if module := run.study.module("measures"):
        module.measures(run)
    return write_pages(run, formats)


def _run_section(run: StudyRun, section: Section) -> None:
    """Run the trainings and the measurements of a section, each training measured at its end."""
    costs = () if run.quick else section.costs
    print(f"{section.name}: {section.title}", *costs, sep="\n  ", flush=True)
    for sweep in section.sweeps(run.quick):
        run.scan(sweep, after=lambda point: section.measure_training(run, point))
    for point in section.points(run):  # what an earlier version or a stopped run has not measured
        section.measure_training(run, point)
    section.measure(run)


def write_pages(run: StudyRun, formats: Sequence[str] = ("png",)) -> list[Path]:
    """Write the pages of a study from what its run's folder holds.

    Args:
        run: The run.
        formats: Formats of the files of figures besides PNG, which pages show: ``svg``, ``pdf``.

    Returns:
        The paths of the pages.
    """
    from pyg_jets.report.figures.style import check_formats
    from pyg_jets.studies.generic import generic_page

    formats, module = check_formats(formats), run.study.module("page")
    pages = module.page(run) if module else generic_page(run)
    if not isinstance(pages, Page | Sequence):
        raise InputError(
            f"Expected page() of the study {run.study.name} to return a Page, or a list of them, "
            f"but got {type(pages).__name__}."
        )
    pages = [pages] if isinstance(pages, Page) else pages
    return [page.write(run.out, formats) for page in pages]
