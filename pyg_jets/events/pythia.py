"""Jets from Pythia 8 and FastJet: proton collisions at 13 TeV, anti-kt, before a detector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyg_jets.columns import check_names
from pyg_jets.events.chunk import check_settings
from pyg_jets.events.generation import generate_folder, read_summaries
from pyg_jets.events.options import Options, check_count
from pyg_jets.events.processes import PROCESSES
from pyg_jets.events.schedule import Memory, complete, first_jets, machinery
from pyg_jets.events.summary import Summary
from pyg_jets.io import read_parquet
from pyg_jets.jets import JetArray

__all__ = ["PROCESSES", "generate", "generate_with_summary"]


def generate(
    process: str,
    n_jets: int,
    pt: tuple[float, float] = (500, 600),
    eta_max: float = 2.0,
    radius: float = 0.8,
    pthat: tuple[float, float] = (0.8, 1.6),
    settings: Sequence[str] = (),
    shower: str = "simple",
    seed: int = 0,
    workers: int | None = 1,
    scheduler: str | None = None,
    out: str | Path | None = None,
    progress: bool = True,
    events_per_chunk: int = 250,
) -> JetArray:
    """Generate jets of one process.

    Proton collisions at 13 TeV with multiple interactions, showers and hadronisation (Pythia 8,
    arXiv 2203.11601), no pile-up; anti-kt jets (FastJet, arXiv 1111.6097) of all stable particles
    but neutrinos. Jets that do not hold the whole decay, or the hard parton, of their process are
    dropped. Jets are kept over a margin, from 0.7 × the lower to 1.4 × the upper edge of the pT
    window, so that the window can be applied after a detector too. The same arguments give the same
    jets for any number of workers.

    Args:
        process: ``qcd``, ``quark``, ``gluon``, ``w``, ``z`` or ``top``.
        n_jets: Number of jets in the pT window; those of the margin come on top.
        pt: pT window of the jets (GeV). Default: (500, 600).
        eta_max: Largest \\|η\\| of a jet. Default: 2.0.
        radius: Radius of the anti-kt jets. Default: 0.8.
        pthat: Range of the hard process's pT, in multiples of the window's edges; a narrower one
            loses jets that radiated much. Default: (0.8, 1.6).
        settings: Further Pythia settings, such as ``("Tune:pp = 14",)``. Default: none.
        shower: ``simple`` or ``vincia``. Default: ``simple``.
        seed: Seed of the random numbers, not negative. Default: 0.
        workers: Number of local processes; 0 or 1 work in this one, ``None`` takes every core.
            Default: 1.
        scheduler: Address of a Dask scheduler, such as ``tcp://host:8786``. Default: local.
        out: A folder for chunks and jets: see :func:`pyg_jets.events.generation.generate_folder`.
            Default: in memory.
        progress: Whether to show a progress bar. Default: yes.
        events_per_chunk: Events generated at a time. It is part of what shapes the jets.
            Default: 250.

    Returns:
        Jets with the columns :data:`pyg_jets.columns.GENERATED`, the hardest constituent first, and
        jet columns ``gen_…``, ``event``, ``matched`` and ``flavour``; no labels.

    Raises:
        ValueError: For an argument outside its range, a setting that Pythia rejects, or a window
            that no jet comes into.
        ModuleNotFoundError: If pythia8mc or fastjet is not installed.

    Examples:
        >>> jets = generate("w", 5, seed=1, events_per_chunk=20, progress=False)
        >>> int(((jets.jets["gen_pt"] >= 500) & (jets.jets["gen_pt"] < 600)).sum())
        5
        >>> jets.columns
        ('pt', 'eta', 'rapidity', 'phi', 'mass', 'charge', 'pdgid')
    """
    return generate_with_summary(
        process,
        n_jets,
        workers=workers,
        scheduler=scheduler,
        out=out,
        progress=progress,
        pt=pt,
        eta_max=eta_max,
        radius=radius,
        pthat=pthat,
        settings=settings,
        shower=shower,
        seed=seed,
        events_per_chunk=events_per_chunk,
    )[0]


def generate_with_summary(
    process: str,
    n_jets: int,
    workers: int | None = 1,
    scheduler: str | None = None,
    out: str | Path | None = None,
    progress: bool = True,
    **options: Any,
) -> tuple[JetArray, Summary]:
    """Generate jets of one process, and count what was lost on the way.

    Args:
        process: As in :func:`generate`.
        n_jets: As in :func:`generate`.
        workers: As in :func:`generate`.
        scheduler: As in :func:`generate`.
        out: As in :func:`generate`.
        progress: As in :func:`generate`.
        options: The other arguments of :func:`generate`.

    Returns:
        The jets, and the summary of every chunk that they came from.
    """
    (process,) = check_names((process,), PROCESSES, "process")
    if out is not None:
        files = generate_folder(
            (process,),
            n_jets,
            out,
            workers=workers,
            scheduler=scheduler,
            progress=progress,
            **options,
        )
        return read_parquet(files[process]), read_summaries(out)[process]
    n_jets = check_count("n_jets", n_jets)
    if workers is not None:
        workers = check_count("workers", workers, least=0)
    shape = Options(**options)
    if shape.settings:
        check_settings(process, shape)
    store = Memory()
    with machinery(workers, scheduler) as start:
        chunks = complete(process, n_jets, shape, store, start, progress)
    jets = first_jets(store, chunks, n_jets, shape)
    summaries = (store.summary(chunk) for chunk in range(chunks))
    return jets, sum((s for s in summaries if s is not None), Summary())
