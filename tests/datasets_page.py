"""The page of the data sets, made of their cards: ``python -m tests.datasets_page``.

The words at its top are those of ``datasets/README.md``; the table of all sets takes the place of
its ``<!-- table -->``, and a section for each set follows.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pyg_jets.cli.datasets import count, licence, size
from pyg_jets.io.cards import card_files, card_names, card_text, read_card

ROOT = Path(__file__).parent.parent
HEAD, PAGE = ROOT / "datasets" / "README.md", ROOT / "docs" / "datasets.md"
PLACE = "<!-- table -->"


def page() -> str:
    """The whole page."""
    head = HEAD.read_text(encoding="utf-8")
    if PLACE not in head:
        raise ValueError(f"{HEAD} has no line {PLACE}: give the table of all data sets a place.")
    heads = {name: read_card(name) for name in card_names()}
    sections = [section(name, card) for name, card in heads.items()]
    return "\n".join([head.replace(PLACE, overview(heads)), *sections])


def overview(heads: dict[str, dict[str, Any]]) -> str:
    """A row for each data set, by the name of its class."""
    rows = [
        (
            f"[`{head['class']}`](#{head['class'].lower()})",
            head["summary"],
            count(head["jets"]),
            size(head, card_files(name)),
            f"[see the record]({head['license_link']})"
            if "license_link" in head
            else licence(head),
            labels(head["classes"]),
        )
        for name, head in sorted(heads.items(), key=lambda item: item[1]["class"].lower())
    ]
    return "\n".join(table(("class", "what", "jets", "size", "licence", "labels"), rows))


def labels(classes: Any) -> str:
    if not isinstance(classes, dict):
        return str(classes)
    return ", ".join(str(name) for name in classes.values()) or "–"


def linked(words: str, to: str | None) -> str:
    return f"[{words}]({to})" if to else words


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    lines = [head, ("---",) * len(head), *rows]
    cells = [[cell.replace("|", r"\|") or " " for cell in line] for line in lines]
    return [f"| {' | '.join(line)} |" for line in cells]


def section(name: str, head: dict[str, Any]) -> str:
    """The section of a data set: what its card says."""
    title, text = card_text(name).split("\n", 1)
    text = re.sub(r"^## ", "### ", text, flags=re.M).replace("](../../docs/", "](")
    # Examples that would download are not run.
    text = text.replace("```python\n", "```py\n").replace("](datasets.md)", "](#data-sets)")
    cited = head["citation"]
    lines = [
        f"## {head['class']}",
        "",
        f"**{title.removeprefix('# ')}.** [Homepage]({head['homepage']}), "
        f"[card](../datasets/{name}/README.md).",
        "",
        text.strip(),
        "",
        f"- Splits: {head['splits']}.",
        f"- Labels: {labels(head['classes'])}.",
        *(f"- Cite: {one.rstrip('.')}." for one in ([cited] if isinstance(cited, str) else cited)),
    ]
    columns = [
        (f"`{c['name']}`", level, c["unit"], c["dtype"], c["description"])
        for level in ("particles", "jets")
        for c in head["columns"][level]
    ]
    lines += ["", *table(("column", "of", "unit", "dtype", "what"), columns), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE.relative_to(ROOT))
