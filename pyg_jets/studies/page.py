"""The page of a study: Markdown, figures, and a CSV with every number that the page quotes.

Examples:
    >>> page = Page("cars", "Cars")
    >>> page.text("How fast are they?")
    >>> page.number("speed", "red", "mean", 3.0, error=0.5, n=4)
    >>> print(page.csv(), end="")
    table,row,metric,value,error,n
    speed,red,mean,3.0,0.5,4
    >>> print(page.markdown(), end="")
    # Cars
    <BLANKLINE>
    How fast are they?
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pyg_jets.files import write_aside

if TYPE_CHECKING:
    from pyg_jets.report.figures.style import Drawing

__all__ = ["CSV_COLUMNS", "Page"]

CSV_COLUMNS = ("table", "row", "metric", "value", "error", "n")


@dataclass
class Page:
    """A page of results, filled from top to bottom.

    Args:
        name: Stem of its files: ``NAME.md``, ``NAME.csv``, ``NAME-FIGURE.png``.
        title: Its title.
        blocks: Blocks of Markdown below the title.
        figures: What is drawn, or the bytes of a PNG file, by the file's name in the page's folder.
        files: Bytes of other files likewise, such as an archive of the points.
        rows: Rows of the CSV.
    """

    name: str
    title: str
    blocks: list[str] = field(default_factory=list)
    figures: dict[str, Drawing | bytes] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    rows: list[tuple[str, str, str, float | None, float | None, int | None]] = field(
        default_factory=list
    )

    def text(self, *blocks: str) -> None:
        """Add blocks of Markdown; empty ones are left out."""
        self.blocks += [block.strip() for block in blocks if block.strip()]

    def heading(self, text: str, level: int = 2) -> None:
        """Add a heading.

        Args:
            text: The heading.
            level: Its level; the title has level 1.
        """
        self.blocks.append(f"{'#' * level} {text}")

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Add a table of texts; the numbers in it are added to the CSV by :meth:`number`."""
        lines = [header, ["---"] * len(header), *rows]
        escaped = ((str(cell).replace("|", r"\|") for cell in line) for line in lines)
        self.blocks.append("\n".join(f"| {' | '.join(line)} |" for line in escaped))

    def figure(
        self, name: str, figure: Drawing | bytes | None, alt: str, caption: str = ""
    ) -> None:
        """Add a figure.

        Args:
            name: Its name: the file is ``{page}-{name}.png``, or ``{name}.png`` if the name has a
                folder in it (``generation/digits``).
            figure: What is drawn, such as a :class:`~pyg_jets.report.pictures.Picture`, or the
                bytes of a PNG file. ``None`` refers to a file that is there and stays.
            alt: What the figure shows, in words.
            caption: A text below it.
        """
        file = f"{name}.png" if "/" in name else f"{self.name}-{name}.png"
        if figure is not None:
            self.figures[file] = figure
        self.blocks.append(f"![{alt}]({file})")
        self.text(caption)

    def number(
        self,
        table: str,
        row: str,
        metric: str,
        value: float | None,
        error: float | None = None,
        n: int | None = None,
    ) -> None:
        """Add a row to the CSV.

        Args:
            table: The table that quotes the number.
            row: The row of that table, as printed.
            metric: The metric, in lower case with underscores.
            value: The number.
            error: Its standard error; ``None`` or NaN where there is none.
            n: How many trainings, jets or events it is from.
        """
        self.rows.append((table, row, metric, value, error, n))

    def numbers_of(self, path: str | Path) -> None:
        """Add the rows of a CSV of the same columns, such as records that a text quotes.

        Args:
            path: The CSV.
        """
        with Path(path).open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                value, error = (float(row[c]) if row[c] else None for c in ("value", "error"))
                n = int(row["n"]) if row["n"] else None
                self.number(row["table"], row["row"], row["metric"], value, error, n)

    def markdown(self) -> str:
        """The whole page."""
        return "\n\n".join([f"# {self.title}", *self.blocks]) + "\n"

    def csv(self) -> str:
        """Every number of the page, unrounded, a row each."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        for row in self.rows:
            writer.writerow(["" if cell is None or _is_nan(cell) else cell for cell in row])
        return stream.getvalue()

    def write(self, folder: str | Path, formats: Sequence[str] = ("png",)) -> Path:
        """Write figures, other files, CSV and page, the page last.

        Args:
            folder: The folder; files of the same names are written over.
            formats: Formats of the figures besides PNG, which the page shows: ``svg``, ``pdf``.

        Returns:
            The path of the page.
        """
        contents: dict[str, bytes] = {}
        for name, figure in self.figures.items():
            contents[name] = figure if isinstance(figure, bytes) else figure.png
            if not isinstance(figure, bytes):
                stem = name.removesuffix(".png")
                contents |= {f"{stem}.{each}": figure.file(each) for each in formats}
        contents |= self.files
        contents[f"{self.name}.csv"] = self.csv().encode()
        contents[f"{self.name}.md"] = self.markdown().encode()
        for name, content in contents.items():
            with write_aside(Path(folder) / name) as part:
                part.write_bytes(content)
        return Path(folder) / f"{self.name}.md"


def _is_nan(cell: object) -> bool:
    return isinstance(cell, float) and math.isnan(cell)
