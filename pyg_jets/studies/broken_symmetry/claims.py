"""What the source says of the five ways to teach a rotation, and what is asked of a sixth."""

from __future__ import annotations

from collections.abc import Sequence

from pyg_jets.report.scan.cells import Cell
from pyg_jets.report.scan.claims import Claim, against_rivals, paired

__all__ = ["ARMS", "claims"]

#: The arms in the order of the tables; all but the last are those of the source.
ARMS = ("none", "post-aug", "pre-aug", "post-inv", "pre-inv", "pre-inv-continuous")


def claims(cells: Sequence[Cell]) -> list[Claim]:
    """The claims, each with a test for each network, detector, training size and pair of arms.

    Args:
        cells: The cells of the scans; any may lack.
    """
    rectangular = [cell for cell in cells if str(cell["detector"]).endswith("rect")]
    return [
        Claim(
            "Without rotations (none) a network does worst",
            "the arm of the source that speaks most against it, minus none",
            tuple(against_rivals(cells, ARMS[0], ARMS[1:-1])),
            names_rival=True,
        ),
        Claim(
            "On the rectangular grid, rotating before the detector beats rotating after it",
            "pre-aug minus post-aug, pre-inv minus post-inv",
            tuple(paired(rectangular, [("pre-aug", "post-aug"), ("pre-inv", "post-inv")])),
        ),
        Claim(
            "Encouraged invariance beats augmentation alone",
            "post-inv minus post-aug, pre-inv minus pre-aug",
            tuple(paired(cells, [("post-inv", "post-aug"), ("pre-inv", "pre-aug")])),
        ),
        Claim(
            "Fresh random angles beat eight fixed ones (not in the source)",
            "pre-inv-continuous minus pre-inv",
            tuple(paired(cells, [("pre-inv-continuous", "pre-inv")])),
        ),
    ]
