r"""ParticleNet: dynamic edge convolutions on jets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import Linear

from pyg_jets.errors import InputError
from pyg_jets.nn.layers import MLP
from pyg_jets.nn.layers.edge_conv import EdgeConvBlock
from pyg_jets.nn.layers.jet_inputs import join_observables, joined_width
from pyg_jets.nn.layers.norm import batch_norm
from pyg_jets.ops import knn, segment_mean

__all__ = ["ParticleNet", "ParticleNetLite"]

_BLOCKS = ((64, 64, 64), (128, 128, 128), (256, 256, 256))
#: A weight of weaver's ParticleNet, behind whatever prefix a wrapper gave it.
_WEAVER_WEIGHT = re.compile(r"^(?:\w+\.)*?((?:bn_fts|edge_convs|fusion_block|fc)\..+)$")
#: Weaver's names and ours; those of ``fc`` depend on the dropout.
_WEAVER_NAMES = (
    (re.compile(r"^bn_fts\.(.+)$"), r"norm.\1"),
    (re.compile(r"^edge_convs\.(\d+)\.convs\.(\d+)\.(.+)$"), r"blocks.\1.linears.\2.\3"),
    (re.compile(r"^edge_convs\.(\d+)\.bns\.(\d+)\.(.+)$"), r"blocks.\1.norms.\2.\3"),
    (re.compile(r"^edge_convs\.(\d+)\.sc\.(.+)$"), r"blocks.\1.shortcut.\2"),
    (re.compile(r"^edge_convs\.(\d+)\.sc_bn\.(.+)$"), r"blocks.\1.shortcut_norm.\2"),
    (re.compile(r"^fusion_block\.0\.(.+)$"), r"fusion.\1"),
    (re.compile(r"^fusion_block\.1\.(.+)$"), r"fusion_norm.\1"),
)


class ParticleNet(nn.Module):
    r"""ParticleNet of `arXiv:1902.08570 <https://arxiv.org/abs/1902.08570>`_.

    .. math::
        x^{(l+1)}_i = \operatorname{EdgeConv}_l\big(x^{(l)}_i, \mathcal{N}_k(p^{(l)}_i)\big), \qquad
        o_j = \operatorname{MLP}\Big( \frac{1}{n_j} \sum_{i \in j} x^{(L)}_i \Big)

    Each block is an :class:`~pyg_jets.nn.EdgeConvBlock` on the ``k`` nearest neighbours
    :math:`\mathcal{N}_k` of each particle. The first block looks for them in the (η, φ) plane,
    :math:`p^{(0)} = (\Delta\eta, \Delta\phi)`, each further one in the features of the block
    before, :math:`p^{(l)} = x^{(l)}`: the graph is dynamic. In ``eval`` the logits agree with those
    of weaver's ``ParticleNet`` on zero-padded jets; see :meth:`from_weaver`.

    Args:
        in_channels: Number of features of a particle, or -1 to take it from the first batch.
        channels: Widths of the layers of each block.
        k: Number of neighbours, one for all blocks or one for each.
        fc: Widths of the hidden layers of the MLP on the jet.
        out_channels: Number of logits: 1 for two classes, else one for each class.
        dropout: Probability of zeroing an activation of that MLP in training.
        fusion: Width of a linear layer on the outputs of all blocks together. Default: the output
            of the last block alone is averaged, as in the paper.
        jet_channels: Number K of observables of a jet that are joined to the average, or
            -1 to take it from the first batch. Default: none.

    Shapes:
        - **x:** ``[N, in_channels]``, the particles of all jets, one jet after the other
        - **ptr:** ``[J + 1]`` int64; jet ``j`` holds the particles ``ptr[j]`` to ``ptr[j + 1] - 1``
        - **pos:** ``[N, 2]``, (Δη, Δφ) in radians
        - **jet:** ``[J, jet_channels]``, observables of unit size, such as standardised masses;
          left out where ``jet_channels`` is 0
        - **output:** logits ``[J, out_channels]``

    Raises:
        InputError: If there is no block or not one ``k`` for each, ``pos`` has another shape, or
            the observables are not as many as expected.

    Examples:
        >>> model = ParticleNet(4, channels=((8, 8), (16,)), k=3, fc=(8,))
        >>> x, ptr = torch.randn(9, 4), torch.tensor([0, 4, 9])
        >>> model(x, ptr, x[:, :2]).shape
        torch.Size([2, 1])
    """

    def __init__(
        self,
        in_channels: int = -1,
        channels: Sequence[Sequence[int]] = _BLOCKS,
        k: int | Sequence[int] = 16,
        fc: Sequence[int] = (256,),
        out_channels: int = 1,
        dropout: float = 0.1,
        fusion: int | None = None,
        jet_channels: int = 0,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.dropout = in_channels, out_channels, dropout
        self.channels = tuple(tuple(widths) for widths in channels)
        self.k = (k,) * len(self.channels) if isinstance(k, int) else tuple(k)
        if not self.channels or len(self.k) != len(self.channels) or min(self.k) < 1:
            raise InputError(
                f"Expected one or more blocks and a k of at least 1 for each, but got channels of "
                f"{len(self.channels)} blocks and k={k}."
            )
        lazy = in_channels == -1
        self.norm = nn.LazyBatchNorm1d() if lazy else nn.BatchNorm1d(in_channels)
        before = (in_channels, *(widths[-1] for widths in self.channels))
        self.blocks = nn.ModuleList(
            EdgeConvBlock(width, layers)
            for width, layers in zip(before, self.channels, strict=False)
        )
        self.fusion, self.fusion_norm = None, None
        if fusion is not None:
            self.fusion = Linear(sum(before[1:]), fusion, bias=False)
            self.fusion_norm = nn.BatchNorm1d(fusion)
        self.jet_channels = jet_channels
        width = joined_width(before[-1] if fusion is None else fusion, jet_channels)
        self.fc = MLP(width, tuple(fc), out_channels, dropout=dropout)

    @classmethod
    def from_weaver(
        cls, state_dict: Mapping[str, Tensor], k: int | Sequence[int] = 16, dropout: float = 0.1
    ) -> ParticleNet:
        """Build the same network with the weights of weaver's ``ParticleNet``.

        The widths follow from the weights; the number of neighbours does not.

        Args:
            state_dict: Weights of ``weaver.nn.model.ParticleNet.ParticleNet``, with or without a
                prefix, and with its batch norm of the input.
            k: Number of neighbours, one for all blocks or one for each.
            dropout: Probability of zeroing an activation of the last MLP in training.

        Raises:
            InputError: If these are the weights of another network; the message names the first
                that does not fit.
        """
        weaver: dict[str, tuple[str, Tensor]] = {}  # by name without prefix: full name and weight
        for key, tensor in state_dict.items():
            match = _WEAVER_WEIGHT.match(key)
            if match is None:
                raise InputError(
                    f"{key} is no weight of weaver's ParticleNet, whose names are bn_fts, "
                    "edge_convs, fusion_block and fc: give the weights of that network alone."
                )
            weaver[match[1]] = key, tensor
        model = cls(
            **_widths_of_weaver({n: t for n, (_, t) in weaver.items()}), k=k, dropout=dropout
        )
        own, weights = model.state_dict(), {}
        for name, (key, tensor) in _rename_weaver(weaver, dropout).items():
            if name not in own or own[name].shape != tensor.shape:
                expected = f"shape {list(own[name].shape)}" if name in own else "none of this name"
                raise InputError(
                    f"{key} of shape {list(tensor.shape)} does not fit, expected {expected}: these "
                    "are not the weights of weaver's ParticleNet."
                )
            weights[name] = tensor
        missing = [name for name in own if name not in weights]
        if missing:
            raise InputError(
                f"There is no weight for {missing[0]}: these are not the weights of weaver's "
                "ParticleNet."
            )
        model.load_state_dict(weights)
        return model

    def reset_parameters(self) -> None:
        """Draw all weights again."""
        for module in (self.norm, *self.blocks, self.fusion, self.fusion_norm, self.fc):
            if module is not None:
                module.reset_parameters()

    def forward(
        self, x: Tensor, ptr: Tensor, pos: Tensor | None = None, jet: Tensor | None = None
    ) -> Tensor:
        """Return the logits of each jet."""
        if pos is None or pos.dim() != 2 or pos.size(0) != x.size(0):
            shape = "none" if pos is None else list(pos.shape)
            raise InputError(f"Expected pos of shape [{x.size(0)}, 2], but got {shape}.")
        x = batch_norm(self.norm, x)
        outputs = []
        for k, block in zip(self.k, self.blocks, strict=True):
            x = block(x, knn(pos, ptr, k), ptr)
            pos = x  # the next block's neighbours are nearest in the features of this one
            outputs.append(x)
        if self.fusion is not None:
            x = torch.relu(batch_norm(self.fusion_norm, self.fusion(torch.cat(outputs, 1))))
        return self.fc(join_observables(segment_mean(x, ptr), jet, self.jet_channels))

    def __repr__(self) -> str:
        fusion = "" if self.fusion is None else f", fusion={self.fusion.out_channels}"
        return (
            f"{type(self).__name__}(in_channels={self.in_channels}, channels={self.channels}, "
            f"k={self.k}, fc={self.fc.channels}, out_channels={self.out_channels}, "
            f"dropout={self.dropout}{fusion}"
            f"{f', jet_channels={self.jet_channels}' if self.jet_channels else ''})"
        )


class ParticleNetLite(ParticleNet):
    r"""ParticleNet-Lite of the same paper: two narrower blocks, 7 neighbours, 26,000 weights.

    Args:
        in_channels: Number of features of a particle, or -1 to take it from the first batch.
        channels: Widths of the layers of each block.
        k: Number of neighbours, one for all blocks or one for each.
        fc: Widths of the hidden layers of the MLP on the jet.
        out_channels: Number of logits: 1 for two classes, else one for each class.
        dropout: Probability of zeroing an activation of that MLP in training.
        fusion: Width of a linear layer on the outputs of all blocks together. Default: the output
            of the last block alone is averaged.
        jet_channels: Number K of observables of a jet that are joined to the average, or
            -1 to take it from the first batch. Default: none.

    Shapes:
        - **x:** ``[N, in_channels]``, **ptr:** ``[J + 1]``, **pos:** ``[N, 2]``
        - **output:** logits ``[J, out_channels]``

    Examples:
        >>> sum(p.numel() for p in ParticleNetLite(7, out_channels=2).parameters())
        26416
    """

    def __init__(
        self,
        in_channels: int = -1,
        channels: Sequence[Sequence[int]] = ((32, 32, 32), (64, 64, 64)),
        k: int | Sequence[int] = 7,
        fc: Sequence[int] = (128,),
        out_channels: int = 1,
        dropout: float = 0.1,
        fusion: int | None = None,
        jet_channels: int = 0,
    ) -> None:
        super().__init__(in_channels, channels, k, fc, out_channels, dropout, fusion, jet_channels)


def _widths_of_weaver(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of the :class:`ParticleNet` that has the widths of these weights."""
    channels: dict[int, dict[int, int]] = {}
    for name, tensor in weights.items():
        if match := re.match(r"^edge_convs\.(\d+)\.convs\.(\d+)\.weight$", name):
            channels.setdefault(int(match[1]), {})[int(match[2])] = tensor.size(0)
    fc = _fc_of_weaver(weights)
    for name, is_there in (("edge_convs.0.convs.0.weight", 0 in channels), ("fc", bool(fc))):
        if not is_there:
            raise InputError(f"There is no {name}: these are not weights of weaver's ParticleNet.")
    *hidden, out_channels = (weights[f"{name}.weight"].size(0) for name in fc)
    fusion = weights.get("fusion_block.0.weight")
    return {
        "in_channels": weights["edge_convs.0.convs.0.weight"].size(1) // 2,
        "channels": [list(channels[i].values()) for i in sorted(channels)],
        "fc": hidden,
        "out_channels": out_channels,
        "fusion": None if fusion is None else fusion.size(0),
    }


def _fc_of_weaver(weights: Mapping[str, Any]) -> list[str]:
    """The linear layers of weaver's last MLP, in order: ``fc.0.0``, ``fc.1``, …"""
    layers = {name.rpartition(".")[0] for name in weights if name.startswith("fc.")}
    return sorted(layers, key=lambda name: int(name.split(".")[1]))


def _rename_weaver(
    weights: Mapping[str, tuple[str, Tensor]], dropout: float
) -> dict[str, tuple[str, Tensor]]:
    """Weights by our names; kernels of weaver's 1 x 1 convolutions lose their unit axes."""
    fc, renamed = _fc_of_weaver(weights), {}
    for name, (key, tensor) in weights.items():
        module, _, leaf = name.rpartition(".")
        if module in fc:  # ours are apart by an activation and, with dropout, by that too
            name = f"fc.layers.{fc.index(module) * (3 if dropout else 2)}.{leaf}"
        for pattern, ours in _WEAVER_NAMES:
            name = pattern.sub(ours, name)
        renamed[name] = key, tensor.flatten(1) if tensor.dim() > 2 else tensor
    return renamed
