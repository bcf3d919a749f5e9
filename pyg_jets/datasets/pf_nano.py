"""A user's own CMS PFNano files."""

from __future__ import annotations

from collections.abc import Sequence
from glob import glob
from pathlib import Path
from typing import Any

from pyg_jets.columns import CANONICAL, check_names
from pyg_jets.datasets.from_files import FileDataset
from pyg_jets.datasets.pf_nano_reader import PFNanoReader
from pyg_jets.datasets.reading import Part, Reader
from pyg_jets.errors import MissingFileError
from pyg_jets.files import data_path

__all__ = ["PFNano"]


class PFNano(FileDataset):
    """Jets of a user's own CMS PFNano files: candidates, or GEN/RECO pairs where there are both.

    Source: https://github.com/cms-jet/PFNano; its versions, the custom NanoAOD of b tagging and of
    jets, and NanoAOD v15 are told apart by their branches, which are matched without case.

    Features that the set can give: what follows from ``pt, eta, phi`` and, where the file has them,
    ``mass, charge, pdgid, puppiweight, d0, d0err, dz, dzerr``. Candidates are as the file has them:
    no PUPPI weight and no energy correction is applied to them, while the jets' own pT and mass
    have both. The impact parameters of candidates without a track are those that the file says,
    often -1. A jet without candidates in the file is an empty jet.

    In pairs, ``x`` has the particles of the generator's jet that the file matches to a jet, and
    ``x_target`` the candidates of that; there are jet columns of both (``gen_…``, ``reco_…``). Jets
    without a match, or whose match has no particles in the file, are left out, and their number is
    logged. The windows ``pt`` and ``mass`` then look at the generator's jet (for windows in what
    was measured use ``pre_filter``); ``min_pt``, ``max_particles``, ``order`` act on both sets.

    ``jet_id``, and the number of a jet in messages, is 256 times the number of its event in the
    file plus its place in the event (and 2³² times the place of the file in ``files``). ``event``
    is a hash of run, luminosity section and event: jets of one event never part in a split. Where
    a file has none of the three, splits go by jet.

    Args:
        root: The folder for the processed files.
        files: The files, absolute or relative to the working directory or to ``raw/`` in ``root``;
            patterns such as ``"nano_*.root"`` too. Default: all ``.root`` files in ``raw/``. A file
            that has changed is converted again.
        jets: ``"AK8"`` (``FatJet``) or ``"AK4"`` (``Jet``).
        split: ``"train"``, ``"val"``, ``"test"`` by the hash of the event, or ``None`` for all.
        pairs: ``True`` for GEN/RECO pairs, ``False`` for candidates only. Default: pairs if the
            first file has generator particles of these jets.
        **options: What :class:`~pyg_jets.datasets.from_files.FileDataset` takes: ``features``,
            ``coordinates``, ``max_particles``, ``min_pt``, ``order``, ``pt``, ``mass``,
            ``transform`` …. The default features are ``pt, eta, phi, mass, charge, pdgid``, as far
            as the file has them.

    Raises:
        FileNotFoundError: If a file is missing, or a pattern matches none.
        ValueError: If a file is no PFNano file, or not like the first.

    Examples:
        >>> dataset = PFNano("data/pf_nano", files=["nano_*.root"], jets="AK4")  # doctest: +SKIP
    """

    card = "pf_nano"

    def __init__(
        self,
        root: str | Path,
        files: Sequence[str | Path] | str | Path | None = None,
        jets: str = "AK8",
        split: str | None = None,
        pairs: bool | None = None,
        **options: Any,
    ):
        check_names((jets,), ("AK8", "AK4"), "kind of jets")
        self.jets = jets
        self.files = _found(data_path(root) / "raw", files)
        self._reader = PFNanoReader(jets, pairs).like(self.files[0])
        self.pairs = bool(self._reader.pairs)
        self.level = "gen" if self.pairs else "reco"
        if options.get("features") is None:
            given = self._reader.given(self.files[0])
            both = set(given.particles) & set(given.target or given.particles)
            options["features"] = [name for name in CANONICAL if name in both]
        super().__init__(root, split, **options)

    def reader(self) -> Reader:
        """Reads the files, all as the first."""
        return self._reader

    def parts(self) -> list[Part]:
        """The files, in the order given."""
        return [Part(path, number) for number, path in enumerate(self.files)]

    def shaping(self) -> dict[str, Any]:
        """Kind, level, and which files: their names, sizes and times, not where they are."""
        stats = [(path.name, path.stat()) for path in self.files]
        files = [[name, found.st_size, found.st_mtime_ns] for name, found in stats]
        return {"jets": self.jets, "pairs": self.pairs, "files": files}


def _found(raw: Path, files: Sequence[str | Path] | str | Path | None) -> list[Path]:
    if files is None:
        found = sorted(raw.glob("*.root"))
        if not found:
            raise MissingFileError(
                f"There is no .root file in {raw}: put your PFNano files there, or name them with "
                "files=."
            )
        return found
    names = [files] if isinstance(files, str | Path) else list(files)
    if not names:
        raise MissingFileError("Expected at least one PFNano file, but files=[] names none.")
    paths = [path for name in names for path in _of_name(raw, str(name))]
    return list({path.resolve(): path for path in paths}.values())


def _of_name(raw: Path, name: str) -> list[Path]:
    """The files of one name or pattern, in the working directory, else in ``raw``."""
    for path in (Path(name).expanduser(), raw / name):
        if path.exists():
            return [path]
    for pattern in (Path(name).expanduser(), raw / name):
        if found := [Path(one) for one in sorted(glob(str(pattern), recursive=True))]:
            return found
    raise MissingFileError(
        f"There is no file {name}, neither in the working directory {Path.cwd()} nor in {raw}: "
        "give the path of a PFNano file, or a pattern."
    )
