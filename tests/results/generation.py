"""Write ``docs/results/generation.md``: ``python -m tests.results.generation``, after its scan.

Whatever takes long is kept in ``runs/generation``: a stopped command goes on where it was. With
``--jets 2000`` it is tried on few jets, and its page stays there too.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tests.results import generation_measures as measures
from tests.results import generation_page as page
from tests.results.generation_data import Generated, Given, Jets, finished, kept, leading, place
from tests.results.generation_noise import noise

#: Targets, by the number of the hardest particles that they have.
TABLES = {"leading": 50, "all": None}
#: Seeds of the detector: of the truth floor, of the draws of the response, and of a second set.
FLOOR, DRAWN, AGAIN = 1, 2, 3


class Row(NamedTuple):
    """A line of a table: its name, title and kind, and how its jets are come by."""

    key: str
    title: str
    kind: str
    jets: Callable[[], Jets]
    one: Generated | None = None


def rows(table: str, given: Given, found: list[Generated]) -> Iterator[Row]:
    """The lines of a table."""
    n = TABLES[table]
    yield Row("floor", "truth floor", "floor",
              lambda: leading(given.detected(FLOOR, len(given.gen)), n))  # fmt: skip
    yield Row("identity", "identity", "identity", lambda: leading(given.gen, n))
    for most in (30, 50):
        if n is None or most < n:
            title = f"truth, leading {most}"
            yield Row(f"cut-{most}", title, "cut", lambda most=most: leading(given.target, most))
    for one in found:
        if one.is_graph and n is None and one.most is not None:
            continue
        yield Row(one.key, one.title, "graph" if one.is_graph else "list",
                  lambda one=one: leading(one.made(given.ids), n), one)  # fmt: skip


def measured(
    table: str, given: Given, found: list[Generated], few: int | None, cover: bool
) -> list[dict[str, Any]]:
    """All lines of a table with their numbers; coverage if it is asked for, or known."""
    real, cache = leading(given.target, TABLES[table]), {}
    relative, lines = real.scaled(given.pt), []
    for row in rows(table, given, found):
        held: list[Jets] = []

        def jets(row: Row = row, held: list[Jets] = held) -> Jets:
            held[:] = held or [row.jets()]
            return held[0]

        name = f"{table}-{row.key}"
        line = {"key": row.key, "title": row.title, "kind": row.kind}
        line |= kept(f"{name}-simple", lambda: measures.simple(jets(), real, given), few)
        line |= kept(
            f"{name}-distances",
            lambda: measures.distances(jets().scaled(given.pt), relative, cache),
            few,
        )
        if cover or (place(few) / f"{name}-coverage.json").exists():
            line |= kept(
                f"{name}-coverage",
                lambda: measures.matched(jets().scaled(given.pt), relative),
                few,
            )
        if row.one is not None:
            cost = partial(measures.costs, row.one, given)
            line["cost"] = kept(f"cost-{row.key}", cost, few)
        lines.append(line)
    truth = kept(f"{table}-truth", lambda: measures.simple(real, real, given), few)
    return [{"key": "truth", "title": "target", "kind": "truth", **truth}, *lines]


def responses(given: Given, found: list[Generated], few: int | None) -> dict[str, Any]:
    """Of each network, its responses beside those of the detector, cut as its target is."""
    n_jets, draws = (200, 200) if few is None else (50, 20)

    def of(name: str, draw: Callable[[], measures.Draw]) -> Any:
        make = lambda: measures.responses(draw(), given, n_jets, draws)  # noqa: E731
        return kept(f"response-{name}", make, few)

    def detector(most: int | None, seed: int) -> Any:
        name = f"detector-{most or 'all'}-{seed}"
        return of(name, lambda: measures.detector_draws(given, n_jets, most, seed))

    def blind(what: int) -> Any:
        draw = lambda: measures.detector_draws(given, n_jets, None, AGAIN, what)  # noqa: E731
        return of(f"blind-{what}", draw)

    lines = {
        "detector again": [detector(None, AGAIN), detector(None, DRAWN), "all"],
        "blind to kinds": [blind(1), detector(None, DRAWN), "all"],
        "blind to kinds and η": [blind(2), detector(None, DRAWN), "all"],
    }
    for one in found:
        drawn = of(one.key, lambda one=one: measures.network_draws(given, one, n_jets))
        lines[one.title] = [drawn, detector(one.most, DRAWN), str(one.most or "all")]
    return {"n_jets": n_jets, "draws": draws, "lines": lines}


def main() -> None:
    """Measure what is not yet measured, and write the page; coverage comes last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jets", type=int, help="so many test jets instead of all")
    parser.add_argument("--coverage", nargs="*", default=["all"], choices=list(TABLES))
    asked = parser.parse_args()
    few, found = asked.jets, finished(asked.jets)
    given = Given(next(one for one in found if one.is_graph and one.most is None))
    path = Path("docs/results/generation.md") if few is None else place(few) / "generation.md"
    others = {
        "responses": responses(given, found, few),
        "steps": kept("steps", lambda: measures.steps(given), few),
        "detector": kept("cost-detector", lambda: measures.detector_cost(given), few),
        "noise": noise(few),
    }
    for chosen in [[], *([[*asked.coverage]] if asked.coverage else [])]:
        tables = {table: measured(table, given, found, few, table in chosen) for table in TABLES}
        page.write(path, found, given, tables, **others)


if __name__ == "__main__":
    main()
