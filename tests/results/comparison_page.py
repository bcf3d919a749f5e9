"""The page of the comparison of taggers, as Markdown with its figures."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import pyg_jets
from pyg_jets.metrics import Estimate, Interval, rejection_interval
from pyg_jets.report.compare import Comparison, TaggerResult, comparisons
from pyg_jets.report.numbers import class_name, count, estimate
from pyg_jets.report.pictures import pictures
from pyg_jets.report.table import verdicts
from pyg_jets.runs import Run

__all__ = ["write"]

BASELINES = ("softdrop_mass", "tau32", "tau21", "multiplicity", "tree")
FIGURES = {
    "roc": "Background rejection against signal efficiency, with 68 % bands of the bootstrap",
    "dependence": "One cut at a signal efficiency of 0.5, in bins of multiplicity and pT",
}
COMMANDS = """```sh
pyg-jets scan tagging/sweep
pyg-jets scan tagging/sweep_showers
python -m tests.results.comparison
```"""


def write(path: Path, found: Sequence[Run], **measured: Any) -> None:
    """Write the page, and its figures beside it."""
    tasks = dict.fromkeys(run.classes for run in found)
    compared = [
        comparisons([run for run in found if run.classes == task], BASELINES)[0] for task in tasks
    ]
    blocks = [
        "# Taggers side by side",
        _lead(compared),
        _how(found),
        *(_task(one, path) for one in compared),
        _costs(found, measured["costs"]),
        _kinematics(measured["kinematics"], compared),
        _systematics(measured["systematics"]),
        _weaver(measured["losses"], measured["trainings"]),
        _provenance(found),
    ]
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its first column to the left."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))


def interval(found: Interval) -> str:
    """A rejection with its interval, or its lower limit."""
    if not np.isfinite(found.high):
        return f"> {found.low:,.0f}"
    digits = 0 if found.value >= 20 else 1
    above, below = found.high - found.value, found.value - found.low
    return f"{found.value:,.{digits}f} (+{above:,.{digits}f} −{below:,.{digits}f})"


def _lead(compared: Sequence[Comparison]) -> str:
    told = []
    for one in compared:
        best = max(one.networks, key=lambda network: network.auc.value)
        signal, background = class_name(one.run.classes[1]), class_name(one.run.classes[0])
        tree = one.baselines[-1]
        told.append(
            f"{signal} against {background} jets: of the networks best is {best.title} with an "
            f"AUC of {estimate(best.auc)}, a tree on five observables has {estimate(tree.auc)}"
        )
    words = "; ".join(told)
    return (
        f"Five networks and five simple baselines on the same jets. {words[0].upper()}{words[1:]}."
    )


def _how(found: Sequence[Run]) -> str:
    sizes = {run.title: count(run.provenance["n_train"]) for run in found}
    trained = ", ".join(f"{title} {size}" for title, size in sizes.items())
    return f"""{COMMANDS}

## How it was done

Pythia 8 with its simple shower, anti-kt R = 0.8, 500 < pT < 600 GeV after the detector `cms-like`,
|η| < 2. Networks read log(pT/pT_jet), ΔR, Δη and Δφ of each particle about the jet's axis (the
EFN: the share of pT, Δη, Δφ): neither pT, η nor φ of the jet. Jets are weighted in losses and
metrics such that each class is flat in 10 bins of pT by 8 of |η|, learned from the training jets.
All batches hold 128 jets; the learning rate falls linearly; the epoch with the best validation AUC
is tested. Training jets, both classes together: {trained}. ParticleNet sees half of the jets, for
five epochs, as more takes hours on two cores: nothing here says how it would do with as
many as the others."""


def _task(compared: Comparison, path: Path) -> str:
    background, signal = map(class_name, compared.run.classes)
    title = f"{signal[0].upper()}{signal[1:]} against {background} jets"
    lines = [_line(one) for one in (*compared.networks, *compared.baselines)]
    head = ("tagger", "AUC", "accuracy", "1/ε_B at ε_S = 0.3", "1/ε_B at ε_S = 0.5")
    notes = "; ".join(f"{one.title}: {one.note}" for one in compared.baselines)
    drawn = pictures(compared)
    shown = []
    for kind, caption in FIGURES.items():
        if kind in drawn:
            name = f"{path.stem}-{compared.run.classes[1]}-{kind}.png"
            (path.parent / name).write_bytes(drawn[kind].png)
            shown.append(f"![{drawn[kind].alt}]({name})\n\n{caption}.")
    figures = "\n\n".join(shown)
    return f"""## {title}

{count(compared.n_signal)} {signal} and {count(compared.n_background)} {background} test jets.

{table(head, lines)}

AUC and accuracy ± the bootstrap's standard error; 1/ε_B with its 68 % binomial interval, of the
effective number of jets (Σw)²/Σw²; “>” is a lower limit at 95 %, where fewer than ten background
jets pass. {notes}.

{" ".join(verdicts(compared))}

{figures}"""


def _line(one: TaggerResult) -> tuple[str, ...]:
    rejections = (
        interval(rejection_interval(one.scores, one.labels, e, one.weights)) for e in (0.3, 0.5)
    )
    accuracy = "–" if one.accuracy is None else estimate(one.accuracy)
    return one.title, estimate(one.auc), accuracy, *rejections


def _costs(found: Sequence[Run], costs: dict[str, dict[str, float]]) -> str:
    lines = []
    for run in found:
        if run.classes[1] == "top":
            cost = costs[run.title]
            numbers = (
                f"{cost[name]:,.{0 if cost[name] >= 10 else 1}f}"
                for name in ("epoch_s", "us_per_jet", "peak_mb")
            )
            parameters = count(run.provenance["parameters"])
            jets, epochs = count(run.provenance["n_train"]), str(run.provenance["epochs"])
            lines.append((run.title, parameters, jets, epochs, *numbers))
    head = ("network", "parameters", "training jets", "epochs", "s an epoch", "µs a jet", "MB")
    return f"""## What they cost

{table(head, lines)}

Measured on two cores, each in a process of its own: seconds of an epoch's training steps without
the loader; µs of the network alone in batches of 256 test jets; megabytes of anonymous memory of a
training step at its height, above those before it."""


def _kinematics(found: Sequence[dict[str, float]], compared: Sequence[Comparison]) -> str:
    told = ", ".join(
        f"{one['weighted']:.3f} on {class_name(task.run.classes[1])} against "
        f"{class_name(task.run.classes[0])} jets (without weights {one['plain']:.3f})"
        for one, task in zip(found, compared, strict=True)
    )
    return f"""## What pT and η tell

A network (two layers of 32, scikit-learn) that reads the jet's pT and |η| alone has an AUC of
{told}."""


def _systematics(lines: Sequence[dict[str, Any]]) -> str:
    names = {"simple": "the simple shower", "vincia": "Vincia"}
    rows = []
    for line in lines:
        row = [line["run"].title, names[line["trained"]], count(line["run"].provenance["n_train"])]
        for shower in names:
            one = comparisons([line["tested"][shower]])[0].networks[0]
            row += [estimate(one.auc), interval(rejection_interval(*_scored(one)))]
        rows.append(row)
    of = ("AUC on {}", "1/ε_B on {}")
    heads = [text.format(name) for name in names.values() for text in of]
    sizes = ", ".join(
        f"{count(len(lines[0]['tested'][shower].predictions.labels))} jets of {name}"
        for shower, name in names.items()
    )
    return f"""## Another parton shower

Top against QCD jets. An event takes Vincia (arXiv 2003.00702) fifteen times as long as the simple
shower, so there are fewer of its jets; the lower part of the table compares trainings on as many
jets of both. Tested on {sizes}; 1/ε_B at ε_S = 0.5. Each shower's jets have weights of their own,
and the cut is that at which half of the tested signal passes.

{table(("network", "trained on", "jets", *heads), rows)}"""


def _scored(one: TaggerResult) -> tuple[Any, ...]:
    return one.scores, one.labels, 0.5, one.weights


def _weaver(losses: dict[str, list[float]], trained: Sequence[dict[str, list[float]]]) -> str:
    ours, theirs = (np.array(losses[name]) for name in ("ours", "weaver"))
    apart = np.abs(ours - theirs).max()
    aucs = {name: _mean([one[name][0] for one in trained]) for name in trained[0]}
    apart_each = ", ".join(estimate(Estimate(*one["difference"]), signed=True) for one in trained)
    return f"""## Beside weaver's ParticleNet

From the same weights, through the same {len(ours)} batches of 16 top and QCD jets with Adam at
0.001, the losses of the two differ by at most {apart:.1e}; they fall from {ours[0]:.3f} to a mean
of {ours[-20:].mean():.3f} over the last 20. This is in double precision, where rounding does not
grow to something visible; on jets cut to their 40 hardest particles, as weaver's batch norms count
padding, ours real particles and edges alone, so that on padded jets the two are not the same
function while they train; and with particles moved apart by 0.0001, as calorimeter cells put
several at one point, of which each of the two takes another for its last nearest neighbour.

Trained on 1,500 jets a class for three epochs, each in its own way (weaver's on jets padded to
128), and tested on 2,000 jets a class, without weights, {len(trained)} times with other initial
weights, which both share, and other orders of the jets: mean AUC {estimate(aucs["ours"])} (ours)
and {estimate(aucs["weaver"])} (weaver's), with standard errors over the trainings; difference
{estimate(aucs["difference"], signed=True)}; one by one, with the errors of the test jets,
{apart_each}."""


def _mean(values: Sequence[float]) -> Estimate:
    return Estimate(float(np.mean(values)), float(np.std(values, ddof=1) / len(values) ** 0.5))


def _provenance(found: Sequence[Run]) -> str:
    dates = sorted(str(run.provenance["date"])[:10] for run in found)
    versions = found[0].provenance["versions"]
    told = ", ".join(f"{name} {versions[name]}" for name in ("torch", "pythia8mc", "fastjet"))
    between = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    return (
        f"Made with the commands above by pyg_jets {pyg_jets.__version__} ({told}); trainings of "
        f"{between}, page of {datetime.date.today()}."
    )
