"""Elementary functions in float32 from +, −, ×, ÷ and √ alone, for numba and for torch.

Each is one plain function: numba compiles it into kernels (where LLVM can vectorise it, unlike a
call into libm), and torch tensors pass through it as it stands. IEEE arithmetic rounds these five
operations alike in every lane, block and thread; kernels and torch agree within a rounding.

Examples:
    >>> float(exp(np.float32(1.0)))
    2.7182817...
    >>> exp(torch.tensor([1.0]))
    tensor([2.7183])
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numba.extending import overload, register_jitable

from pyg_jets.ops.kernel import kernel

__all__ = ["arsinh", "exp", "fast", "jitable", "log", "log1p", "normal", "select", "wrap"]


#: A plain function that kernels may call. Division by zero gives infinity, as in torch: numba's own
#: way, an exception, would be a branch that keeps LLVM from vectorising.
jitable = register_jitable(error_model="numpy")

#: The same for kernels themselves.
fast = kernel(error_model="numpy")


def select(condition: Any, yes: Any, no: Any) -> Any:
    """``yes`` where ``condition`` holds, else ``no``."""
    if isinstance(condition, torch.Tensor):
        return torch.where(condition, yes, no)
    return yes if condition else no


@overload(select)
def _select(condition, yes, no):
    return lambda condition, yes, no: yes if condition else no


def _to_float(bits: Any) -> Any:
    """The float32 whose bits are this int32."""
    return bits.view(torch.float32) if isinstance(bits, torch.Tensor) else bits.view(np.float32)


@overload(_to_float)
def _to_float_kernel(bits):
    return lambda bits: np.int32(bits).view(np.float32)


def _to_bits(value: Any) -> Any:
    """The bits of a float32, as int32."""
    return value.view(torch.int32) if isinstance(value, torch.Tensor) else value.view(np.int32)


@overload(_to_bits)
def _to_bits_kernel(value):
    return lambda value: np.float32(value).view(np.int32)


def _integer(value: Any) -> Any:
    """A whole float32 as int32."""
    return value.to(torch.int32) if isinstance(value, torch.Tensor) else np.int32(value)


@overload(_integer)
def _integer_kernel(value):
    return lambda value: np.int32(value)


def _single(value: Any) -> Any:
    """A whole number below 2³¹ as float32."""
    return value.to(torch.float32) if isinstance(value, torch.Tensor) else np.float32(value)


@overload(_single)
def _single_kernel(value):
    return lambda value: np.float32(np.int32(value))


def root(value: Any) -> Any:
    """Square root."""
    return torch.sqrt(value) if isinstance(value, torch.Tensor) else np.sqrt(value)


@overload(root)
def _root(value):
    return lambda value: math.sqrt(value)


_F = np.float32
_ONE, _TWO, _HALF = _F(1), _F(2), _F(0.5)
# Adding and taking away 1.5 · 2²³ rounds a float32 to the nearest whole number.
_ROUND = _F(12582912.0)
_LOG2E = _F(1.4426950408889634)
# ln 2 in two parts; the first has so few bits that its products with whole numbers are exact.
_LN2_HIGH, _LN2_LOW = _F(0.693145751953125), _F(1.42860682030941723e-06)
_E2, _E3, _E4, _E5, _E6, _E7 = (_F(1 / math.factorial(n)) for n in range(2, 8))
_L3, _L5, _L7, _L9 = (_F(2 / n) for n in (3, 5, 7, 9))
_I127, _I23 = np.int32(127), np.int32(23)
_MANTISSA, _SQRT_HALF = np.int32(0x007FFFFF), np.int32(0x3F3504F3)
_TWO_PI, _TURN = _F(2 * math.pi), _F(1 / (2 * math.pi))
_SQRT2 = _F(math.sqrt(2))


@jitable
def exp(x: Any) -> Any:
    """Exponential for |x| < 87: Taylor's series to 7th order after halvings, error below 1e-7."""
    n = (x * _LOG2E + _ROUND) - _ROUND
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    series = ((((r * _E7 + _E6) * r + _E5) * r + _E4) * r + _E3) * r + _E2
    series = (series * r + _ONE) * r + _ONE
    return series * _to_float((_integer(n) + _I127) << _I23)


@jitable
def log(x: Any) -> Any:
    """Natural logarithm for normal x > 0, by 2 artanh((m − 1)/(m + 1)) of the mantissa m."""
    bits = _to_bits(x) - _SQRT_HALF
    n = _single(bits >> _I23)
    m = _to_float((bits & _MANTISSA) + _SQRT_HALF)
    s = (m - _ONE) / (m + _ONE)
    s2 = s * s
    series = ((s2 * _L9 + _L7) * s2 + _L5) * s2 + _L3
    return n * _LN2_HIGH + (s * _TWO + (s * s2 * series + n * _LN2_LOW))


@jitable
def log1p(x: Any) -> Any:
    """log(1 + x) for x ≥ 0 with full relative accuracy: what 1 + x lost in rounding is added."""
    u = x + _ONE
    return log(u) + (x - (u - _ONE)) / u


@jitable
def arsinh(x: Any) -> Any:
    """Inverse hyperbolic sine, for \\|x\\| < 1e18."""
    a = abs(x)
    # a + (√(a² + 1) − 1) without cancellation, so that small arguments keep their accuracy
    value = log1p(a + a * a / (root(a * a + _ONE) + _ONE))
    return select(x < 0, -value, value)


@jitable
def wrap(phi: Any) -> Any:
    """An azimuth in [−π, π)."""
    return phi - _TWO_PI * ((phi * _TURN + _ROUND) - _ROUND)


# √2 · erf⁻¹(x) / x as polynomials in w = −log(1 − x²), and in √w further out: least squares at
# Chebyshev nodes, weighted for the relative error.
_N0, _N1, _N2, _N3, _N4, _N5, _N6, _N7, _N8 = (
    _F(c)
    for c in (
        3.95831482e-08,
        4.85179146e-07,
        -4.98119390e-06,
        -6.20788075e-06,
        3.09115091e-04,
        -1.77304174e-03,
        -5.90812990e-03,
        3.48802685e-01,
        2.12331356e00,
    )
)


@jitable
def _near(t: Any) -> Any:
    return (
        ((((((t * _N0 + _N1) * t + _N2) * t + _N3) * t + _N4) * t + _N5) * t + _N6) * t + _N7
    ) * t + _N8


_F0, _F1, _F2, _F3, _F4, _F5, _F6, _F7 = (
    _F(c)
    for c in (
        -2.48999792e-04,
        7.89381729e-04,
        -1.07600827e-03,
        1.43007831e-03,
        -2.86148181e-03,
        4.66055881e-03,
        1.42462760e00,
        4.71708816e00,
    )
)


@jitable
def _far(t: Any) -> Any:
    return ((((((t * _F0 + _F1) * t + _F2) * t + _F3) * t + _F4) * t + _F5) * t + _F6) * t + _F7


_UNIT, _SIGN = _F(2.0**-32), np.uint64(31)
_TAIL = np.uint64(0x7FFFFFFF)
_W_MIDDLE, _V_MIDDLE = _F(2.5), _F(3.5)
_FOUR = _F(4.0)


#: Tails of fewer units than this lie where the second polynomial holds, beyond 2.93 deviations.
FAR = 7_247_044


@jitable
def _tail(bits: Any) -> Any:
    return (_single(bits & _TAIL) + _HALF) * _UNIT


@jitable
def _minus_log(tail: Any) -> Any:
    """w = −log(1 − x²) with x = 1 − 2 tail."""
    return -log(_FOUR * tail * (_ONE - tail))


@jitable
def _signed(value: Any, bits: Any) -> Any:
    return select((bits >> _SIGN) > 0, -value, value)


@jitable
def normal_near(bits: Any) -> Any:
    """:func:`normal` for tails of :data:`FAR` units and more."""
    tail = _tail(bits)
    return _signed((_ONE - _TWO * tail) * _near(_minus_log(tail) - _W_MIDDLE), bits)


@jitable
def normal(bits: Any) -> Any:
    """A standard normal from 32 random bits, by the inverse of its distribution function.

    One bit is the sign, the other 31 the probability of the tail beyond, so that both tails are
    as fine as float32 allows and reach to 6.3 standard deviations.

    Args:
        bits: Whole numbers below 2³² (uint64 in a kernel, int64 in torch).
    """
    tail = _tail(bits)
    w = _minus_log(tail)
    value = select((bits & _TAIL) < FAR, _far(root(w) - _V_MIDDLE), _near(w - _W_MIDDLE))
    return _signed((_ONE - _TWO * tail) * value, bits)
