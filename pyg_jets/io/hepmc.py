"""HepMC files through pyhepmc, plain, gzip or zstd: the visible final state of each event."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pyg_jets import kinematics
from pyg_jets.errors import InputError
from pyg_jets.files import require
from pyg_jets.io.file_type import check_file, refusal

__all__ = ["HEPMC_COLUMNS", "HepMCEvents", "hepmc_packages", "is_hepmc", "read_hepmc"]

#: Particle columns of :func:`read_hepmc`.
HEPMC_COLUMNS = ("pt", "eta", "phi", "mass", "charge", "pdgid")

_GZIP, _ZSTD, _PLAIN = b"\x1f\x8b", b"(\xb5/\xfd", b"HepMC"
_READERS = {b"HepMC::Asciiv3": "ReaderAscii", b"HepMC::IO_GenEvent": "ReaderAsciiHepMC2"}
_WHOLE = "a whole HepMC file"
_HEAD = 4096  # bytes
_SHORTEST = 64  # bytes: the lines before the first event
_FINAL = 1  # the status of particles that neither decay nor interact


class HepMCEvents(NamedTuple):
    """Consecutive events."""

    start: int  # number of the first event in the file
    particles: np.ndarray  # [N, 6], the columns HEPMC_COLUMNS, in GeV
    ptr: np.ndarray  # [E + 1]
    weights: np.ndarray  # [E] float64


def is_hepmc(path: str | Path) -> bool:
    """Whether a file is one of HepMC by its first bytes, or packed and called so.

    Args:
        path: The file.
    """
    path = Path(path)
    with path.open("rb") as file:
        head = file.read(8)
    return head.startswith(_PLAIN) or (
        head.startswith((_GZIP, _ZSTD)) and ".hepmc" in path.name.lower()
    )


def hepmc_packages(path: Path) -> tuple[str, ...]:
    """The packages of the extra ``data`` with which a file is read."""
    if not path.is_file():
        return ("pyhepmc", "particle")
    with path.open("rb") as file:
        packed = file.read(4) == _ZSTD
    return ("pyhepmc", "particle", *(("zstandard",) if packed else ()))


def read_hepmc(
    path: str | Path,
    size: int,
    start: int = 0,
    invisible: Sequence[int] = (12, 14, 16),
    weight: str | None = None,
) -> Iterator[HepMCEvents]:
    """Read the final state (status 1) of HepMC3 or HepMC2 events, without what is invisible.

    Args:
        path: The file, plain, gzip or zstd.
        size: Largest number of events at a time.
        start: The event to begin with; those before are read over.
        invisible: PDG ids, whatever their sign, that are left out.
        weight: Name of the weight; ``None`` for the first of each event, 1 where there is none.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no HepMC file, cut short or damaged.
    """
    path = check_file(path, "a HepMC file", (_PLAIN, _GZIP, _ZSTD))
    first, blocks, weights = start, [], []
    for number, event in enumerate(_events(path)):
        if number < start:
            continue
        blocks.append(_visible(event, invisible))
        weights.append(_weight(path, event, weight))
        if len(blocks) == size:
            yield _joined(first, blocks, weights)
            first, blocks, weights = number + 1, [], []
    if blocks:
        yield _joined(first, blocks, weights)


def _joined(start: int, blocks: list[np.ndarray], weights: list[float]) -> HepMCEvents:
    """The particles of events side by side, with pT, η, φ in place of the momenta."""
    px, py, pz, mass, pdgid = np.concatenate(blocks).T
    energy = np.sqrt(px**2 + py**2 + pz**2 + mass**2)
    pt, eta, phi, _ = kinematics.to_cylindrical(px, py, pz, energy)
    species, index = np.unique(pdgid, return_inverse=True)
    charge = np.array([_charge(int(code)) for code in species])[index] if len(pdgid) else pdgid
    return HepMCEvents(
        start,
        np.stack((pt, eta, phi, mass, charge, pdgid), -1),
        np.concatenate(([0], np.cumsum([len(block) for block in blocks]))),
        np.array(weights),
    )


@cache
def _charge(pdgid: int) -> float:
    """The electric charge of a PDG id, also of nuclei and new particles; 0 if it is none."""
    return float(require("particle", "data").PDGID(pdgid).charge or 0.0)


def _visible(event: Any, invisible: Sequence[int]) -> np.ndarray:
    """(px, py, pz, mass, pdgid) of the visible final state, ``[n, 5]``."""
    if not event.particles:
        return np.empty((0, 5))
    every = event.numpy.particles
    kept = (every.status == _FINAL) & ~np.isin(np.abs(every.pid), invisible)
    columns = (every.px, every.py, every.pz, every.generated_mass, every.pid)
    particles = np.stack([np.asarray(column, float)[kept] for column in columns], -1)
    particles[:, 3] = np.maximum(particles[:, 3], 0.0)  # some write -m² of rounding
    return particles


def _weight(path: Path, event: Any, name: str | None) -> float:
    """One weight of an event."""
    if name is None:
        return float(event.weights[0]) if event.weights else 1.0
    try:
        return float(event.weight(name))
    except (RuntimeError, KeyError, IndexError):
        pass
    try:
        names = ", ".join(map(repr, event.weight_names)) or "none"
    except RuntimeError:  # the file names none
        names = "none"
    raise InputError(f"{path} has no weight {name!r}, its weights are {names}: name one of them.")


def _events(path: Path) -> Iterator[Any]:
    """The events of a file in GeV; a cut or damaged file raises an error in its place."""
    pyhepmc = require("pyhepmc", "data")
    with _opened(path) as stream, _silent(pyhepmc):
        reader = getattr(pyhepmc.io, stream.reader)(pyhepmc.io.pyiostream(stream))
        n_read = 0
        while not reader.failed():
            event = pyhepmc.GenEvent()
            # At the end the reader gives an event without particles, as for one that has none.
            if not reader.read_event(event) or n_read == stream.n_events:
                break
            event.set_units(pyhepmc.Units.GEV, pyhepmc.Units.MM)
            n_read += 1
            yield event
        reader.close()
    if n_read < stream.n_events or not stream.has_end:
        reason = stream.reason if stream.is_read else "the next one cannot be read"
        raise refusal(path, f"cut short or damaged after {n_read} events ({reason})", _WHOLE)


@contextmanager
def _silent(pyhepmc: Any) -> Iterator[None]:
    """Keep HepMC from writing on the standard error what an error in words says."""
    settings = {n: getattr(pyhepmc.Setup, n) for n in ("print_errors", "print_warnings")}
    debug = pyhepmc.Setup.debug_level
    try:
        pyhepmc.Setup.print_errors = pyhepmc.Setup.print_warnings = False
        pyhepmc.Setup.debug_level = 0
        yield
    finally:
        for name, value in settings.items():
            setattr(pyhepmc.Setup, name, value)
        pyhepmc.Setup.debug_level = debug


@contextmanager
def _opened(path: Path) -> Iterator[_Stream]:
    """The unpacked bytes of a file."""
    with path.open("rb") as packed:
        magic = packed.read(4)
        packed.seek(0)
        if magic.startswith(_GZIP):
            with gzip.open(packed) as file:
                yield _Stream(path, file)
        elif magic == _ZSTD:
            decompressor = require("zstandard", "data").ZstdDecompressor()
            with decompressor.stream_reader(packed, read_across_frames=True) as file:
                yield _Stream(path, file)
        else:
            yield _Stream(path, packed)


class _Stream:
    """A file as pyhepmc reads it, which counts the events that begin, and notes how it ends.

    What goes wrong in unpacking ends the stream: an exception would not get through HepMC.

    Args:
        path: The file, for messages.
        file: Gives the unpacked bytes.

    Raises:
        ValueError: If they are no HepMC events.
    """

    def __init__(self, path: Path, file: Any):
        self._file, self._last = file, b""
        self.n_events, self.is_read = 0, False
        self.reason = "it does not end in END_EVENT_LISTING"
        self._head = self._unpacked(_HEAD)
        kinds = [reader for mark, reader in _READERS.items() if mark in self._head]
        if not kinds:
            if len(self._head) < _SHORTEST:
                raise refusal(path, f"cut short ({self.reason})", _WHOLE)
            raise refusal(
                path,
                f"of another kind (it begins with {self._head[:40]!r})",
                "HepMC3 or HepMC2 events",
                "give a file of HepMC::Asciiv3 or HepMC::IO_GenEvent",
            )
        self.reader = kinds[0]

    @property
    def has_end(self) -> bool:
        """Whether the last bytes say that no event follows."""
        return b"END_EVENT_LISTING" in self._last

    def _unpacked(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except Exception as error:  # gzip, zlib and zstd have errors of their own
            self.reason = f"unpacking ends in: {' '.join(str(error).split())}"
            return b""

    def readinto1(self, buffer: Any) -> int:
        """Fill ``buffer`` with the next bytes, and return how many there are."""
        block = self._head[: len(buffer)] or self._unpacked(len(buffer))
        self._head = self._head[len(block) :]
        self.is_read = not block
        joint = self._last[-2:] + block  # an event may begin where two blocks meet
        self.n_events += joint.count(b"\nE ")
        self._last = (self._last + block)[-64:]
        buffer[: len(block)] = block
        return len(block)

    def write(self, content: Any) -> int:
        """Refuse to write; pyhepmc looks for the method."""
        raise OSError("HepMC files are only read here.")
