r"""ParticleNet: dynamic edge convolutions on jets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch_geometric.nn import Linear

from pyg_jets.errors import InputError
from pyg_jets.nn.layers import MLP
from pyg_jets.nn.layers.edge_conv import EdgeConvBlock, node_norm
from pyg_jets.nn.models.weaver import arguments_of, renamed
from pyg_jets.ops import knn, segment_mean

__all__ = ["ParticleNet", "ParticleNetLite"]

_BLOCKS = ((64, 64, 64), (128, 128, 128), (256, 256, 256))


class ParticleNet(nn.Module):
    r"""ParticleNet of `arXiv:1902.08570 <https://arxiv.org/abs/1902.08570>`_.

    Edge convolutions, the first on the nearest neighbours in (η, φ), each further one on those in
    the features that the last one made; the mean over the particles of a jet, and a network of it.
    Numbers agree with weaver's ``ParticleNet`` on padded jets, see :meth:`from_weaver`.

    Args:
        in_channels: Features of a particle, or -1 to take it from the first batch.
        channels: Widths of the layers of each block.
        k: Number of neighbours, of all blocks or of each.
        fc: Widths of the hidden layers of the last network.
        out_channels: Number of logits: 1 for two classes.
        dropout: Probability of dropping an activation of the last network in training.
        fusion: Width of a layer on the outputs of all blocks together; ``None`` for the last
            block's output alone, as in the paper.

    Shapes:
        - **x:** ``[N, in_channels]``, **ptr:** ``[J + 1]``, **pos:** ``[N, 2]``
        - **output:** logits ``[J, out_channels]``

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
        width = before[-1] if fusion is None else fusion
        self.fc = MLP(width, tuple(fc), out_channels, dropout=dropout)

    @classmethod
    def from_weaver(
        cls, state_dict: Mapping[str, Tensor], k: int | Sequence[int] = 16, dropout: float = 0.1
    ) -> ParticleNet:
        """The same network with the weights of weaver's ``ParticleNet``.

        Widths are those of the weights; the number of neighbours is not in them.

        Args:
            state_dict: Weights of ``weaver.nn.model.ParticleNet.ParticleNet``, whatever their
                prefix, with its batch norm of the input.
            k: Number of neighbours, of all blocks or of each.
            dropout: See :class:`ParticleNet`.

        Raises:
            ValueError: If it holds another network; with the first key that does not fit.
        """
        found, weights = arguments_of(state_dict), renamed(state_dict, dropout)
        model = cls(**found, k=k, dropout=dropout)
        own = model.state_dict()
        for name, (key, tensor) in weights.items():
            if name not in own or own[name].shape != tensor.shape:
                wanted = f"shape {list(own[name].shape)}" if name in own else "none of this name"
                raise InputError(
                    f"{key} of shape {list(tensor.shape)} does not fit, expected {wanted}: these "
                    "are not the weights of weaver's ParticleNet."
                )
        missing = [name for name in own if name not in weights]
        if missing:
            raise InputError(
                f"There is no weight for {missing[0]}: these are not the weights of weaver's "
                "ParticleNet."
            )
        model.load_state_dict({name: tensor for name, (_, tensor) in weights.items()})
        return model

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        for module in (self.norm, *self.blocks, self.fusion, self.fusion_norm, self.fc):
            if module is not None:
                module.reset_parameters()

    def forward(self, x: Tensor, ptr: Tensor, pos: Tensor | None = None) -> Tensor:
        """Logits of each jet."""
        if pos is None or pos.dim() != 2 or pos.size(0) != x.size(0):
            found = "none" if pos is None else list(pos.shape)
            raise InputError(f"Expected pos of shape [{x.size(0)}, 2], but got {found}.")
        x = node_norm(self.norm, x)
        outputs = []
        for k, block in zip(self.k, self.blocks, strict=True):
            x = block(x, knn(pos, ptr, k), ptr)
            pos = x
            outputs.append(x)
        if self.fusion is not None:
            x = torch.relu(node_norm(self.fusion_norm, self.fusion(torch.cat(outputs, 1))))
        return self.fc(segment_mean(x, ptr))

    def __repr__(self) -> str:
        fusion = "" if self.fusion is None else f", fusion={self.fusion.out_channels}"
        return (
            f"{type(self).__name__}(in_channels={self.in_channels}, channels={self.channels}, "
            f"k={self.k}, fc={self.fc.channels}, out_channels={self.out_channels}, "
            f"dropout={self.dropout}{fusion})"
        )


class ParticleNetLite(ParticleNet):
    r"""The smaller ParticleNet of the same paper: two blocks, 7 neighbours, 26k weights.

    Args:
        in_channels: Features of a particle, or -1 to take it from the first batch.
        channels: See :class:`ParticleNet`.
        k: See there.
        fc: See there.
        out_channels: See there.
        dropout: See there.
        fusion: See there.

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
    ) -> None:
        super().__init__(in_channels, channels, k, fc, out_channels, dropout, fusion)
