"""Ragged operations on a batch of jets ``(x, ptr)``, one operation a file."""

from pyg_jets.ops.assignment import assignment
from pyg_jets.ops.edge_conv import edge_conv, edge_sum
from pyg_jets.ops.gather import gather
from pyg_jets.ops.graph import knn_graph, radius_graph
from pyg_jets.ops.knn import knn
from pyg_jets.ops.nearest import matched_distance, nearest, nearest_distance
from pyg_jets.ops.nearest_harder import nearest_harder
from pyg_jets.ops.pointer import (
    batch_to_ptr,
    check_pointer,
    check_ragged,
    counts_to_ptr,
    ptr_to_batch,
)
from pyg_jets.ops.radius import radius
from pyg_jets.ops.segment import segment_expand, segment_max, segment_mean, segment_sum
from pyg_jets.ops.segment_relu import segment_sum_relu
from pyg_jets.ops.segment_sort import segment_sort
from pyg_jets.ops.table_product import table_product
from pyg_jets.ops.topk import segment_argsort, segment_topk

__all__ = [
    "assignment",
    "batch_to_ptr",
    "check_pointer",
    "check_ragged",
    "counts_to_ptr",
    "edge_conv",
    "edge_sum",
    "gather",
    "knn",
    "knn_graph",
    "matched_distance",
    "nearest",
    "nearest_distance",
    "nearest_harder",
    "ptr_to_batch",
    "radius",
    "radius_graph",
    "segment_argsort",
    "segment_expand",
    "segment_max",
    "segment_mean",
    "segment_sort",
    "segment_sum",
    "segment_sum_relu",
    "segment_topk",
    "table_product",
]
