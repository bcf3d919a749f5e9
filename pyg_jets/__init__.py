"""Jets as variable-length PyTorch Geometric graphs, from the file to the loss."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyg_jets.jets import JetArray
    from pyg_jets.loader import JetLoader
    from pyg_jets.saved_run import load_run

__version__ = "0.2.0"

__all__ = ["JetArray", "JetLoader", "__version__", "load_run"]


def __getattr__(name: str) -> Any:
    # Torch takes seconds to load, which a command that only lists data sets need not wait for.
    if name == "JetArray":
        from pyg_jets.jets import JetArray

        return JetArray
    if name == "JetLoader":
        from pyg_jets.loader import JetLoader

        return JetLoader
    if name == "load_run":
        from pyg_jets.saved_run import load_run

        return load_run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
