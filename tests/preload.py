"""What the processes of the tests need, imported before they are forked."""

import contextlib
import importlib

import matplotlib

matplotlib.use("agg")
for name in (
    "awkward",
    "h5py",
    "matplotlib.pyplot",
    "optuna",
    "pandas",
    "pyarrow.parquet",
    "pyg_jets.cli.main",
    "pyg_jets.datasets",
    "pyg_jets.events.chunk",
    "pyg_jets.report",
    "pyg_jets.scan",
    "pyg_jets.studies",
    "pyg_jets.training.cli",
    "scipy.stats",
    "sklearn.ensemble",
    "wandb.sdk.launch.inputs.internal",
):
    with contextlib.suppress(ImportError):
        importlib.import_module(name)

with contextlib.suppress(ImportError):
    from numba.core import entrypoints, registry

    entrypoints.init_all()  # of other packages, at the first compilation
    registry.cpu_target.typing_context.refresh()
    registry.cpu_target.target_context.refresh()
