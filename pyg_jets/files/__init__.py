"""Files: write aside and rename, locks, hashes, configurations by name; the Dask client.

Examples:
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with write_aside(folder / "note.txt") as part:
    ...     _ = part.write_text("whole")
    >>> (folder / "note.txt").read_text()
    'whole'
"""

from pyg_jets.files.configurations import (
    config_name,
    config_names,
    config_path,
    data_path,
    is_config_text,
    load_yaml,
    read_config,
)
from pyg_jets.files.workers import dask_client, require
from pyg_jets.files.writing import (
    claim_folder,
    content_hash,
    locked,
    read_json,
    remove_unfinished,
    write_aside,
    write_json,
)

__all__ = [
    "claim_folder",
    "config_name",
    "config_names",
    "config_path",
    "content_hash",
    "dask_client",
    "data_path",
    "is_config_text",
    "load_yaml",
    "locked",
    "read_config",
    "read_json",
    "remove_unfinished",
    "require",
    "write_aside",
    "write_json",
]
