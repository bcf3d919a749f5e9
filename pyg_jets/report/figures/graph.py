"""A jet as the graph that networks of neighbours see: its constituents, each with its nearest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pyg_jets.files import require
from pyg_jets.jets import JetArray
from pyg_jets.ops import knn_graph
from pyg_jets.report.figures.jet import (
    KINDS,
    LABELS,
    draw_frame,
    draw_legend,
    kinds_of,
    positions_of,
    scale_of,
)
from pyg_jets.report.figures.style import GREY

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.figure import Figure

__all__ = ["NEIGHBOURS", "draw_graph", "jet_graph"]

#: Neighbours of each constituent.
NEIGHBOURS = 7

#: Half the side of the part that is drawn enlarged, over the radius of the jet.
_PART = 0.25


def jet_graph(jet: JetArray, toy: bool) -> nx.DiGraph:
    """The constituents of one jet, with edges to each from its nearest ones in the plane.

    A node has ``pos``, ``pt`` (GeV) and ``kind``, an index into :data:`KINDS`.

    Args:
        jet: A JetArray of one jet.
        toy: Whether the plane is about the origin, not about the jet axis.
    """
    import networkx as nx

    positions, kinds = positions_of(jet, toy), kinds_of(jet, toy)
    graph = nx.DiGraph()
    for i, (at, pt) in enumerate(zip(positions.tolist(), jet.column("pt").tolist(), strict=True)):
        graph.add_node(i, pos=tuple(at), pt=pt, kind=int(kinds[i]))
    edges = knn_graph(torch.from_numpy(positions), NEIGHBOURS)
    graph.add_edges_from(edges.T.tolist())
    return graph


def draw_graph(figure: Figure, jet: JetArray, radius: float, toy: bool) -> None:
    """The graph of a jet, whole and where its constituents are densest.

    Lines are dark where either constituent is among the nearest of the other.
    """
    require("matplotlib", "report")
    axes = figure.subplots(1, 2)
    graph, scale = jet_graph(jet, toy), scale_of(jet, 300)
    for ax in axes:
        _draw_edges(ax, graph)
        _draw_nodes(ax, graph, scale)
        ax.tick_params(bottom=True, left=True, labelbottom=True, labelleft=True)
        draw_frame(ax, radius, toy)
        ax.set_xlabel("x" if toy else LABELS[0])
    axes[0].set_ylabel("y" if toy else LABELS[1])
    axes[0].set_title(f"{len(graph)} constituents", loc="left")
    axes[1].set_title("where they are densest", loc="left")
    _enlarge(axes, positions_of(jet, toy), _PART * radius)
    draw_legend(figure, (jet,), scale, toy)


def _draw_edges(ax: Any, graph: nx.DiGraph) -> None:
    import networkx as nx

    positions = nx.get_node_attributes(graph, "pos")
    mutual = [(i, j) for i, j in graph.edges if i < j and graph.has_edge(j, i)]
    single = [(i, j) for i, j in graph.edges if not graph.has_edge(j, i)]
    for edges, width, alpha in ((single, 0.7, 0.45), (mutual, 1.1, 0.9)):
        nx.draw_networkx_edges(graph, positions, edges, ax=ax, width=width, alpha=alpha,
                               edge_color=GREY, arrows=False)  # fmt: skip


def _draw_nodes(ax: Any, graph: nx.DiGraph, scale: float) -> None:
    import networkx as nx

    pt, kinds = (nx.get_node_attributes(graph, name) for name in ("pt", "kind"))
    hardest_first = sorted(graph, key=lambda node: -pt[node])  # small circles lie on top
    nx.draw_networkx_nodes(
        graph,
        nx.get_node_attributes(graph, "pos"),
        hardest_first,
        ax=ax,
        node_size=[scale * pt[node] for node in hardest_first],
        node_color=[list(KINDS.values())[kinds[node]] for node in hardest_first],
        linewidths=0.6,
        alpha=0.75,
    )


def _enlarge(axes: Any, positions: np.ndarray, half: float) -> None:
    """Let the second panel show the square of the most crowded part, which the first one frames."""
    from matplotlib.patches import Rectangle

    near = (np.abs(positions[:, None] - positions) <= half).all(-1)
    x, y = (positions[near[near.sum(1).argmax()]].mean(0) - half).tolist()
    axes[0].add_patch(Rectangle((x, y), 2 * half, 2 * half, fill=False, color="black", lw=0.8))
    axes[1].set(xlim=(x, x + 2 * half), ylim=(y, y + 2 * half))
