"""Draw the rooms of the package: ``python -m tests.rooms`` writes ``docs/img/rooms.svg``.

The picture has the rooms of the table in ``tests/test_architecture.py``, each above those that it
may import; a test fails when the two differ.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

PICTURE = Path(__file__).parent.parent / "docs" / "img" / "rooms.svg"

#: Floors from the top: a title, a colour, and the rooms from left to right with what lives there.
FLOORS = (
    ("command", "#717581", (("cli", "pyg-jets"), ("configs", "general YAML"))),
    ("studies", "#b9ac70", (("studies", "papers and comparisons, a folder each"),)),
    (
        "reading",
        "#e76300",
        (
            ("scan", "W&B sweeps, offline"),
            ("report", "tables, figures, pages"),
            ("saved_run", "a run and its model"),
        ),
    ),
    ("training", "#ffa90e", (("training", "Lightning tasks, data module, callbacks"),)),
    ("runs", "#a96b59", (("runs", "run folders and scan points, as plain data"),)),
    (
        "two towers",
        "#3f90da",
        (
            ("loader", "PyG batches, gathered at once"),
            ("datasets", "one public data set a file"),
            ("transforms", "of a graph, of a batch"),
            ("detector", "smearing, cells, rotation"),
            ("events", "toys, Pythia and FastJet"),
            ("io", "files to jets"),
            ("substructure", "clustering, grooming, trees"),
            ("jets", "JetArray"),
        ),
    ),
    ("operations", "#832db6", (("ops", "ragged operations on (x, ptr)"),)),
    (
        "ground",
        "#92dadd",
        (
            ("kinematics", "one formula"),
            ("columns", "names, units"),
            ("errors", "InputError"),
            ("files", "whole or not there"),
            ("provenance", "made by what"),
        ),
    ),
)
#: The second tower, beside the data.
NETWORKS = (
    ("metrics", "tagging, generation, intervals"),
    ("losses", "a function and a module each"),
    ("nn", "layers and models"),
)
WIDTH, LEFT, GAP, HEIGHT = 880, 130, 10, 46


def svg() -> str:
    """The picture as text."""
    parts: list[str] = []
    y = 60

    def box(x: float, top: float, width: float, height: float, room: str, what: str, colour: str):
        middle = x + width / 2
        parts.append(
            f'<rect x="{x:.0f}" y="{top:.0f}" width="{width:.0f}" height="{height:.0f}" rx="6" '
            f'fill="{colour}" fill-opacity="0.22" stroke="{colour}"/>'
            f'<text x="{middle:.0f}" y="{top + height / 2 - 3:.0f}" class="room">{room}</text>'
            f'<text x="{middle:.0f}" y="{top + height / 2 + 13:.0f}">{escape(what)}</text>'
        )

    for title, colour, rooms in FLOORS:
        inner = WIDTH - LEFT - 20
        top = y
        if title == "two towers":
            width = (inner - GAP) / 2
            for i, (room, what) in enumerate(rooms):
                box(LEFT, y + i * (HEIGHT + 4), width, HEIGHT, room, what, colour)
            tower = len(rooms) * (HEIGHT + 4) - 4
            height = (tower - 4 * (len(NETWORKS) - 1)) / len(NETWORKS)
            for i, (room, what) in enumerate(NETWORKS):
                x = LEFT + width + GAP
                box(x, y + i * (height + 4), width, height, room, what, "#bd1f01")
            y += tower
        else:
            width = (inner - GAP * (len(rooms) - 1)) / len(rooms)
            for i, (room, what) in enumerate(rooms):
                box(LEFT + i * (width + GAP), y, width, HEIGHT, room, what, colour)
            y += HEIGHT
        parts.append(f'<text x="14" y="{(top + y) / 2 + 4:.0f}" class="floor">{title}</text>')
        y += 14
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 6}" '
        f'width="{WIDTH}" height="{y + 6}" role="img">\n'
        "<title>The rooms of pyg_jets: a room imports only from the floors below it</title>\n"
        "<style>text { font: 12px sans-serif; fill: #222; text-anchor: middle }\n"
        ".room { font: bold 14px monospace } .floor { font-style: italic; text-anchor: start }\n"
        ".top { font-size: 13px }</style>\n"
        f'<rect width="{WIDTH}" height="{y + 6}" fill="white"/>\n'
        f'<text x="{WIDTH / 2:.0f}" y="28" class="top">A room uses the floors below it; inside the '
        "data tower, a room uses those below; data (left) and networks (right) do not know each "
        "other,</text>\n"
        f'<text x="{WIDTH / 2:.0f}" y="44" class="top">except that metrics use substructure.'
        "</text>\n"
    )
    return head + "\n".join(parts) + "\n</svg>\n"


if __name__ == "__main__":
    PICTURE.write_text(svg())
    print(PICTURE)
