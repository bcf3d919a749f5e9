r"""Random numbers that are pure functions of where they are used: Philox4x32-10.

.. math:: (r_0, r_1, r_2, r_3) = \mathrm{Philox}_{k(\mathrm{seed}, \mathrm{epoch}, \mathrm{draw})}
    (\mathrm{particle}, \mathrm{variant}, \mathrm{jet\_id}_{lo}, \mathrm{jet\_id}_{hi})

Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11 (Random123).

Examples:
    >>> [hex(word) for word in philox(*[np.uint64(0)] * 6)]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import torch
from numba.extending import register_jitable
from torch import Tensor

from pyg_jets.errors import InputError
from pyg_jets.ops.pointer import ptr_to_batch

__all__ = [
    "ANGLES",
    "CELLS",
    "PARTICLES",
    "PILEUP",
    "TIES",
    "Key",
    "mix",
    "particle_words",
    "philox",
    "uniforms",
]

#: The two 32-bit words of a key.
Key = tuple[int, int]

#: What a draw is for: the response to particles, to cells, the angle of a variant, pile-up.
PARTICLES, CELLS, ANGLES, PILEUP, TIES = 0, 1, 2, 3, 4

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_S32, _MASK = np.uint64(32), np.uint64(0xFFFFFFFF)


@register_jitable(inline="always")
def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Four random 32-bit words from a counter of four and a key of two.

    Args:
        c0, c1, c2, c3: The counter: uint64 in a kernel, int64 tensors in torch, all below 2³².
        k0, k1: The key, numbers below 2³².
    """
    # masked, so that LLVM knows every product to be one of 32-bit words
    c0, c1, c2, c3 = c0 & _MASK, c1 & _MASK, c2 & _MASK, c3 & _MASK
    k0, k1 = k0 & _MASK, k1 & _MASK
    for _ in range(10):
        p0 = c0 * _M0
        p1 = c2 * _M1
        # int64 wraps to the same low 64 bits as uint64; the mask undoes the sign of the shift
        c0, c1, c2, c3 = (
            (p1 >> _S32) & _MASK ^ c1 ^ k0,
            p1 & _MASK,
            (p0 >> _S32) & _MASK ^ c3 ^ k1,
            p0 & _MASK,
        )
        k0 = (k0 + _W0) & _MASK
        k1 = (k1 + _W1) & _MASK
    return c0, c1, c2, c3


def _finalise(word: int) -> int:
    """The 64-bit finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    full = 0xFFFFFFFFFFFFFFFF
    word = (word + 0x9E3779B97F4A7C15) & full
    word = ((word ^ word >> 30) * 0xBF58476D1CE4E5B9) & full
    word = ((word ^ word >> 27) * 0x94D049BB133111EB) & full
    return word ^ word >> 31


def mix(seed: int, epoch: int, draw: int) -> Key:
    """The two 32-bit words of the key, a 64-bit mix of seed, epoch and draw.

    Args:
        seed: Any whole number of 64 bits.
        epoch: Number of the pass over the data.
        draw: What the numbers are for.

    Raises:
        ValueError: If one of them is no whole number.

    Examples:
        >>> mix(0, 0, 0) != mix(0, 1, 0) != mix(1, 0, 0)
        True
    """
    word = 0
    for name, value in (("seed", seed), ("epoch", epoch), ("draw", draw)):
        try:
            part = operator.index(value)
        except TypeError:
            raise InputError(f"Expected {name} as a whole number, but got {value!r}.") from None
        word = _finalise(word ^ _finalise(part & 0xFFFFFFFFFFFFFFFF))
    return word & 0xFFFFFFFF, word >> 32


def split_id(ids: Tensor) -> tuple[Tensor, Tensor]:
    """Low and high 32 bits of int64 ids."""
    return ids & 0xFFFFFFFF, (ids >> 32) & 0xFFFFFFFF


def uniforms(ids: Tensor, variants: int, seed: int = 0, epoch: int = 0) -> Tensor:
    """Uniform random numbers in [0, 1), one for each variant of each jet.

    Args:
        ids: The jets' ids ``[J]`` int64.
        variants: Number of variants ``V``.
        seed: The seed.
        epoch: The epoch.

    Shapes:
        - output: ``[J, V]`` float64

    Examples:
        >>> first = uniforms(torch.tensor([7, 8]), 3, seed=1)
        >>> bool((first[1] == uniforms(torch.tensor([8]), 3, seed=1)).all())
        True
    """
    low, high = (part[:, None] for part in split_id(ids.to(torch.int64)))
    variant = torch.arange(variants, device=ids.device)[None, :]
    words = philox(torch.zeros_like(low), variant, low, high, *mix(seed, epoch, ANGLES))
    return words[0].expand(len(ids), variants).to(torch.float64) * 2.0**-32


def particle_words(ids: Tensor, ptr: Tensor, draw: int, seed: int = 0, epoch: int = 0) -> Tensor:
    """A random word of 32 bits for each particle of each jet.

    Args:
        ids: The jets' ids ``[J]`` int64.
        ptr: Ragged pointer ``[J + 1]``.
        draw: What the words are for, such as :data:`TIES`.
        seed: The seed.
        epoch: The epoch.

    Shapes:
        - output: ``[N]`` int64, from 0 to 2³² - 1

    Examples:
        >>> words = particle_words(torch.tensor([7, 8]), torch.tensor([0, 2, 4]), TIES)
        >>> bool((words[2:] == particle_words(torch.tensor([8]), torch.tensor([0, 2]), TIES)).all())
        True
    """
    jet = ptr_to_batch(ptr)
    particle = torch.arange(len(jet), device=ptr.device) - ptr[jet]
    low, high = (part.reshape(-1)[jet] for part in split_id(ids.to(torch.int64)))
    words = philox(particle, torch.zeros_like(particle), low, high, *mix(seed, epoch, draw))
    return words[0]
