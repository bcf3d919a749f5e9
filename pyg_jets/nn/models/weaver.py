"""Names and shapes of the weights of weaver's ParticleNet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pyg_jets.errors import InputError

__all__ = ["arguments_of", "renamed"]

_WHOLE = re.compile(r"^(?P<prefix>(?:\w+\.)*?)(?P<rest>(?:bn_fts|edge_convs|fusion_block|fc)\..+)$")
_NAMES = (
    (re.compile(r"^bn_fts\.(.+)$"), r"norm.\1"),
    (re.compile(r"^edge_convs\.(\d+)\.convs\.(\d+)\.(.+)$"), r"blocks.\1.linears.\2.\3"),
    (re.compile(r"^edge_convs\.(\d+)\.bns\.(\d+)\.(.+)$"), r"blocks.\1.norms.\2.\3"),
    (re.compile(r"^edge_convs\.(\d+)\.sc\.(.+)$"), r"blocks.\1.shortcut.\2"),
    (re.compile(r"^edge_convs\.(\d+)\.sc_bn\.(.+)$"), r"blocks.\1.shortcut_norm.\2"),
    (re.compile(r"^fusion_block\.0\.(.+)$"), r"fusion.\1"),
    (re.compile(r"^fusion_block\.1\.(.+)$"), r"fusion_norm.\1"),
)


def _plain(state_dict: Mapping[str, Tensor]) -> dict[str, tuple[str, Tensor]]:
    """Weights by their names without a prefix, each with its name there."""
    plain = {}
    for key, tensor in state_dict.items():
        found = _WHOLE.match(key)
        if found is None:
            raise InputError(
                f"{key} is no weight of weaver's ParticleNet, whose names are bn_fts, edge_convs, "
                "fusion_block and fc: give the weights of that network alone."
            )
        plain[found["rest"]] = key, tensor
    return plain


def _last_layers(plain: Mapping[str, Any]) -> list[str]:
    """Names of the linear layers of the last network, in order."""
    found = {name.rpartition(".")[0] for name in plain if name.startswith("fc.")}
    return sorted(found, key=lambda name: int(name.split(".")[1]))


def arguments_of(state_dict: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of the :class:`ParticleNet` that has these weights.

    Raises:
        ValueError: If there are no edge convolutions, or no last network.
    """
    plain = _plain(state_dict)
    widths: dict[int, dict[int, int]] = {}
    for name, (_, tensor) in plain.items():
        if found := re.match(r"^edge_convs\.(\d+)\.convs\.(\d+)\.weight$", name):
            widths.setdefault(int(found[1]), {})[int(found[2])] = tensor.size(0)
    first, layers = plain.get("edge_convs.0.convs.0.weight"), _last_layers(plain)
    for what, there in (("edge_convs.0.convs.0.weight", first), ("fc", layers)):
        if not there:
            raise InputError(f"There is no {what}: these are not weights of weaver's ParticleNet.")
    assert first is not None
    *hidden, last = (plain[f"{name}.weight"][1].size(0) for name in layers)
    fusion = plain.get("fusion_block.0.weight")
    return {
        "in_channels": first[1].size(1) // 2,
        "channels": [list(widths[i].values()) for i in sorted(widths)],
        "fc": hidden,
        "out_channels": last,
        "fusion": None if fusion is None else fusion[1].size(0),
    }


def renamed(state_dict: Mapping[str, Tensor], dropout: float) -> dict[str, tuple[str, Tensor]]:
    """Our names of the weights, each with weaver's name, and without the axes of convolutions."""
    plain = _plain(state_dict)
    layers, out = _last_layers(plain), {}
    for name, (key, tensor) in plain.items():
        module, _, leaf = name.rpartition(".")
        if module in layers:
            place = layers.index(module)
            ours = f"fc.layers.{place * (3 if dropout else 2)}.{leaf}"
        else:
            ours = name
            for pattern, target in _NAMES:
                ours = pattern.sub(target, ours)
        out[ours] = key, tensor.flatten(1) if tensor.dim() > 2 else tensor
    return out
