"""Jets from Pythia 8 and FastJet: proton collisions at 13 TeV, anti-kt, before a detector."""

from __future__ import annotations

from pathlib import Path

from pyg_jets.columns import check_names
from pyg_jets.events.chunk import configure_pythia
from pyg_jets.events.cutflow import CutFlow
from pyg_jets.events.folder import generate_folder, read_cut_flows
from pyg_jets.events.options import PythiaOptions, check_count
from pyg_jets.events.processes import PROCESSES
from pyg_jets.events.schedule import (
    MemoryStore,
    chunk_executor,
    first_jets,
    generate_missing_chunks,
)
from pyg_jets.io import read_parquet
from pyg_jets.jets import JetArray

__all__ = ["PROCESSES", "PythiaOptions", "generate", "generate_with_cut_flow"]


def generate(
    process: str,
    n_jets: int,
    options: PythiaOptions = PythiaOptions(),
    workers: int | None = 1,
    scheduler: str | None = None,
    out: str | Path | None = None,
    progress: bool = True,
) -> JetArray:
    """Generate jets of one process.

    Proton collisions at 13 TeV with multiple interactions, showers and hadronisation (Pythia 8,
    arXiv 2203.11601), no pile-up; anti-kt jets (FastJet, arXiv 1111.6097) of all stable particles
    except neutrinos. Jets that do not contain the whole decay, or the hard parton, of their process
    are dropped. Jets are kept over a margin, from 0.7 × the lower to 1.4 × the upper edge of the pT
    window, so that the window can be applied after a detector too. The same arguments give the same
    jets for any number of workers.

    Args:
        process: ``qcd``, ``quark``, ``gluon``, ``w``, ``z`` or ``top``.
        n_jets: Number of jets in the pT window; those of the margin are added to them.
        options: The options of the jets: pT window, radius, seed and others.
        workers: Number of local processes; 0 or 1 work in this one, ``None`` takes every core.
        scheduler: Address of a Dask scheduler, such as ``tcp://host:8786``. Default: local.
        out: A folder for chunks and jets, as :func:`pyg_jets.events.folder.generate_folder` makes
            it. Default: in memory.
        progress: Whether to show a progress bar.

    Returns:
        Jets with the columns :data:`pyg_jets.columns.GENERATED`, the hardest constituent first, and
        jet columns ``gen_…``, ``event``, ``matched`` and ``flavour``; no labels.

    Raises:
        ValueError: For an argument outside its range, a setting that Pythia rejects, or a window
            that no jet falls into.
        ModuleNotFoundError: If pythia8mc or fastjet is not installed.

    Examples:
        >>> options = PythiaOptions(pt=(500, 600), seed=1, events_per_chunk=20)
        >>> jets = generate("w", 5, options, progress=False)
        >>> int(((jets.jets["gen_pt"] >= 500) & (jets.jets["gen_pt"] < 600)).sum())
        5
        >>> jets.columns
        ('pt', 'eta', 'rapidity', 'phi', 'mass', 'charge', 'pdgid')
    """
    return generate_with_cut_flow(process, n_jets, options, workers, scheduler, out, progress)[0]


def generate_with_cut_flow(
    process: str,
    n_jets: int,
    options: PythiaOptions = PythiaOptions(),
    workers: int | None = 1,
    scheduler: str | None = None,
    out: str | Path | None = None,
    progress: bool = True,
) -> tuple[JetArray, CutFlow]:
    """Generate jets of one process, and count the jets that each step of the selection drops.

    Args:
        process: ``qcd``, ``quark``, ``gluon``, ``w``, ``z`` or ``top``.
        n_jets: Number of jets in the pT window.
        options: The options of the jets.
        workers: Number of local processes; 0 or 1 work in this one, ``None`` takes every core.
        scheduler: Address of a Dask scheduler. Default: local.
        out: A folder for chunks and jets. Default: in memory.
        progress: Whether to show a progress bar.

    Returns:
        The jets as :func:`generate` returns them, and the cut flow of all chunks that they are in.
    """
    (process,) = check_names((process,), PROCESSES, "process")
    if out is not None:
        files = generate_folder((process,), n_jets, out, options, workers, scheduler, progress)
        return read_parquet(files[process]), read_cut_flows(out)[process]
    n_jets = check_count("n_jets", n_jets)
    if workers is not None:
        workers = check_count("workers", workers, least=0)
    if options.settings:
        configure_pythia(process, options)
    store = MemoryStore()
    with chunk_executor(workers, scheduler) as executor:
        chunks = generate_missing_chunks(process, n_jets, options, store, executor, progress)
    cut_flows = (store.cut_flow(chunk) for chunk in range(chunks))
    total = sum((cut_flow for cut_flow in cut_flows if cut_flow is not None), CutFlow())
    return first_jets(store, chunks, n_jets, options), total
