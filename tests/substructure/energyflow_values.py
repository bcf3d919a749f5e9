"""Polynomials as the EnergyFlow package computes them, on four small jets: ``energyflow.json``.

Made by ``python tests/substructure/energyflow_values.py tests/substructure/energyflow.json`` in an
environment of its own (``pip install energyflow "numpy<2"``), since EnergyFlow needs numpy 1.
"""

import json
import sys

import energyflow
import numpy as np

#: Measure, beta, normed, kappa, the largest number of edges, and whether graphs are connected.
CHOICES = (
    ("hadr", 1.0, True, 1.0, 7, True),
    ("hadr", 0.5, False, 1.0, 4, False),
    ("hadr", 2.0, True, 2.0, 3, False),
    ("hadrdot", 1.0, True, 1.0, 4, False),
    ("ee", 2.0, True, 1.0, 4, False),
)


def jet(rng, n):
    """pT, rapidity, φ and mass of n particles."""
    mass = rng.choice([0, 0.13957, 0.4937], n)
    columns = rng.exponential(20, n), rng.normal(0.4, 0.3, n), rng.normal(3.1, 0.3, n), mass
    return np.round(np.stack(columns, 1), 4)


def main(path):
    rng = np.random.default_rng(5)
    jets = [jet(rng, n) for n in (1, 2, 3, 6)]
    tables = []
    for measure, beta, normed, kappa, d, connected in CHOICES:
        graphs = [graph for graph in energyflow.EFPSet(f"d<={d}").graphs() if graph]
        if connected:
            every = energyflow.EFPSet(f"d<={d}", "p==1").graphs()
            graphs = [graph for graph in every if graph]
        options = {"measure": measure, "beta": beta, "normed": normed, "kappa": kappa}
        # An EFPSet of many large graphs shares nothing of value here: one at a time.
        functions = [energyflow.EFP(graph, coords="ptyphim", **options) for graph in graphs]
        rows = {
            " ".join(f"{a}{b}" for a, b in graph): [
                float(f"{efp.compute(own):.12g}") for own in (jets[2:] if connected else jets)
            ]
            for graph, efp in zip(graphs, functions, strict=True)
        }
        tables.append({**options, "jets": [2, 3] if connected else [0, 1, 2, 3], "efps": rows})
    lines = ",\n".join(json.dumps(table).replace('], "', '],\n"') for table in tables)
    head = json.dumps({"version": energyflow.__version__, "jets": [j.tolist() for j in jets]})
    with open(path, "w") as file:
        file.write(f'{head[:-1]},\n"tables": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main(sys.argv[1])
