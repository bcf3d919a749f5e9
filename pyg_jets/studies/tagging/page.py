"""The page of the study: the taggers on each task, their costs, and what else was measured."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import numpy as np

from pyg_jets import __version__
from pyg_jets.metrics import Estimate, Interval, rejection_interval
from pyg_jets.report.compare import Comparison, comparisons
from pyg_jets.report.numbers import class_name, count, estimate
from pyg_jets.report.pictures import pictures
from pyg_jets.report.table import jets_of_each, verdicts
from pyg_jets.runs import Run
from pyg_jets.studies.page import Page
from pyg_jets.studies.study import StudyRun
from pyg_jets.studies.tagging.measures import (
    SHOWERS,
    TASKS,
    WEAVER_SEEDS,
    key,
    shower_of,
    tagger_runs,
)

__all__ = ["page"]

BASELINES = ("softdrop_mass", "tau32", "tau21", "multiplicity", "tree")
FIGURES = {
    "roc": "Background rejection against signal efficiency, with 68 % bands of the bootstrap.",
    "dependence": "One cut at a signal efficiency of 0.5, in bins of multiplicity and pT.",
}
#: Columns of the table of costs: metric, heading.
COSTS = {"epoch_s": "s an epoch", "us_per_jet": "µs a jet", "peak_mb": "MB"}


def page(study_run: StudyRun) -> Page:
    """The page, from the runs of both scans and the measurements.

    Args:
        study_run: The run of the study.
    """
    main, showers = study_run.sweeps
    runs = tagger_runs(study_run, main)
    compared = [
        comparisons([run for run in runs if run.classes == task], BASELINES)[0] for task in TASKS
    ]
    page = Page(study_run.study.name, study_run.study.title)
    _add_lead(page, compared)
    quick = " --quick" if study_run.quick else ""
    page.text(f"```sh\npyg-jets study run {study_run.study.name}{quick}\n```")
    if study_run.quick:
        page.text("A quick run, on so few jets that its numbers mean nothing.")
    _add_method(page, runs)
    for each in compared:
        _add_task(page, each)
    _add_costs(page, study_run, [run for run in runs if run.classes == TASKS[0]])
    _add_kinematics(page, study_run)
    _add_showers(page, study_run, runs, tagger_runs(study_run, showers))
    _add_weaver(page, study_run)
    _add_provenance(page, runs)
    return page


def _task_name(classes: Sequence[str]) -> str:
    background, signal = map(class_name, classes)
    return f"{signal[0].upper()}{signal[1:]} against {background} jets"


def _add_lead(page: Page, compared: Sequence[Comparison]) -> None:
    sentences = []
    for each in compared:
        best = max(each.networks, key=lambda network: network.auc.value)
        tree = each.baselines[-1]
        sentences.append(
            f"{_task_name(each.run.classes)}: the best network is {best.title} with an AUC of "
            f"{estimate(best.auc)}; a tree on five observables has {estimate(tree.auc)}."
        )
    n_networks = len(compared[0].networks)
    page.text(
        f"{n_networks} networks and {len(BASELINES)} simple baselines on the same jets. "
        + " ".join(sentences)
    )


def _add_method(page: Page, runs: Sequence[Run]) -> None:
    sizes = {run.title: count(run.provenance["n_train"]) for run in runs}
    trained = ", ".join(f"{title} {size}" for title, size in sizes.items())
    page.heading("How it was done")
    page.text(f"""Pythia 8 with its simple shower, anti-kt R = 0.8, 500 < pT < 600 GeV after the
detector `cms-like`, |η| < 2. Networks read log(pT/pT_jet), ΔR, Δη and Δφ of each particle
relative to the jet axis (the EFN: the share of pT, Δη, Δφ), but neither pT, η nor φ of the jet.
Jets are weighted in losses and metrics such that each class is flat in bins of pT by |η|; the
weights are learned from the training jets. The learning rate falls linearly, and the epoch with
the best validation AUC is tested. Number of training jets, both classes together: {trained}.""")


def _add_task(page: Page, compared: Comparison) -> None:
    background, signal = map(class_name, compared.run.classes)
    task = compared.run.classes[1]
    page.heading(_task_name(compared.run.classes))
    n_background, n_signal = jets_of_each(compared)
    page.text(f"{n_signal} {signal} and {n_background} {background} test jets.")
    n, rows = compared.n_signal + compared.n_background, []
    for result in (*compared.networks, *compared.baselines):
        page.number(task, result.title, "auc", *result.auc, n=n)
        if result.accuracy is not None:
            page.number(task, result.title, "accuracy", *result.accuracy, n=n)
        intervals = []
        for efficiency in (0.3, 0.5):
            interval = rejection_interval(result.scores, result.labels, efficiency, result.weights)
            intervals.append(_interval(interval))
            _add_rejection(page, task, result.title, f"rejection_at_{efficiency}", interval, n)
        accuracy = "–" if result.accuracy is None else estimate(result.accuracy)
        rows.append((result.title, estimate(result.auc), accuracy, *intervals))
    header = ("tagger", "AUC", "accuracy", "1/ε_B at ε_S = 0.3", "1/ε_B at ε_S = 0.5")
    page.table(header, rows)
    notes = "; ".join(f"{each.title}: {each.note}" for each in compared.baselines)
    page.text(
        f"""AUC and accuracy ± the standard error of a bootstrap over events; 1/ε_B with its 68 %
binomial interval, of the effective number of jets (Σw)²/Σw²; “>” is a lower limit at 95 %, where
fewer than ten background jets pass. {notes}.""",
        " ".join(verdicts(compared)),
    )
    for pair in (*compared.differences, *compared.against_tree):
        row = f"{pair.first.title} minus {pair.second.title}"
        page.number(task, row, "auc_difference", *pair.auc, n=n)
    drawn = pictures(compared)
    for kind, caption in FIGURES.items():
        if kind in drawn:
            page.figure(f"{task}-{kind}", drawn[kind], drawn[kind].alt, caption)


def _interval(interval: Interval) -> str:
    """A rejection with its interval, or its lower limit."""
    if not np.isfinite(interval.high):
        return f"> {interval.low:,.0f}"
    digits = 0 if interval.value >= 20 else 1
    above, below = interval.high - interval.value, interval.value - interval.low
    return f"{interval.value:,.{digits}f} (+{above:,.{digits}f} −{below:,.{digits}f})"


def _add_rejection(
    page: Page, table: str, row: str, metric: str, interval: Interval, n: int
) -> None:
    """Add a rejection to the CSV: half its interval as error, or its lower limit."""
    if np.isfinite(interval.high):
        page.number(table, row, metric, interval.value, (interval.high - interval.low) / 2, n)
    else:
        page.number(table, row, f"{metric}_lower_limit", interval.low, n=n)


def _add_costs(page: Page, study_run: StudyRun, runs: Sequence[Run]) -> None:
    page.heading("What they cost")
    rows = []
    for run in runs:
        costs = study_run.measured(f"costs-{key(run)}")
        facts = {name: run.provenance[name] for name in ("parameters", "n_train", "epochs")}
        for name, value in {**facts, **{name: costs[name] for name in COSTS}}.items():
            page.number("costs", run.title, name, value)
        cells = (f"{costs[name]:,.{0 if costs[name] >= 10 else 1}f}" for name in COSTS)
        rows.append((run.title, *map(count, facts.values()), *cells))
    page.table(("network", "parameters", "training jets", "epochs", *COSTS.values()), rows)
    place = "one after the other in one process" if study_run.quick else "each in its own process"
    page.text(f"""Measured {place}: seconds of an epoch's training steps without the loader; µs a
jet of the network alone in batches of test jets; megabytes of anonymous memory of a training step
at its height, above those before it.""")


def _add_kinematics(page: Page, study_run: StudyRun) -> None:
    page.heading("What pT and η tell")
    sentences = []
    for task in TASKS:
        aucs = study_run.measured(f"kinematics-{task[1]}")
        for name in ("weighted", "unweighted"):
            page.number("kinematics", task[1], f"auc_{name}", aucs[name], n=aucs["n"])
        name = _task_name(task)
        sentences.append(
            f"{aucs['weighted']:.3f} on {name[0].lower()}{name[1:]} (without weights "
            f"{aucs['unweighted']:.3f})"
        )
    page.text(
        "A network (two layers of 32, scikit-learn) that reads only the jet's pT and |η| has an "
        f"AUC of {', '.join(sentences)}."
    )


def _add_showers(page: Page, study_run: StudyRun, runs: Sequence[Run], few: Sequence[Run]) -> None:
    page.heading("Another parton shower")
    rows, sizes = [], {}
    for run in (*(run for run in runs if run.classes == TASKS[0]), *few):
        trained, n_train = shower_of(run), run.provenance["n_train"]
        cells = [run.title, SHOWERS[trained], count(n_train)]
        for shower in SHOWERS:
            name = f"showers-{key(run)}-{trained}-{n_train}-on-{shower}"
            tested = study_run.measured(name)
            interval, row = Interval(*tested["rejection"]), f"{run.title}, {trained}, {n_train}"
            cells += [estimate(Estimate(*tested["auc"])), _interval(interval)]
            value, error = tested["auc"]
            page.number("showers", row, f"auc_on_{shower}", value, error, tested["n"])
            _add_rejection(page, "showers", row, f"rejection_on_{shower}", interval, tested["n"])
            sizes[shower] = tested["n"]
        rows.append(cells)
    tested_jets = ", ".join(f"{count(sizes[each])} jets of {SHOWERS[each]}" for each in SHOWERS)
    page.text(f"""Top against QCD jets. An event takes Vincia (arXiv:2003.00702) fifteen times as
long as the simple shower, so there are fewer of its jets; the lower part of the table compares
trainings on as many jets of both. Tested on {tested_jets}; 1/ε_B at ε_S = 0.5. The jets of each
shower have weights of their own, and the cut is that at which half of the tested signal passes.""")
    columns = [
        text.format(name) for name in SHOWERS.values() for text in ("AUC on {}", "1/ε_B on {}")
    ]
    page.table(("network", "trained on", "jets", *columns), rows)


def _add_weaver(page: Page, study_run: StudyRun) -> None:
    page.heading("Beside weaver's ParticleNet")
    losses = study_run.measured("weaver-losses")
    trained = [study_run.measured(f"weaver-training-{seed}") for seed in WEAVER_SEEDS]
    if losses is None or None in trained:
        page.text(
            "Not measured here: it needs the package weaver (`pip install 'pyg-jets[bench]'`), and "
            "is no part of a quick run."
        )
        return
    ours, theirs = (np.array(losses[name]) for name in ("ours", "weaver"))
    deviation = float(np.abs(ours - theirs).max())
    page.number("weaver", "losses", "largest_deviation", deviation, n=len(ours))
    page.number("weaver", "losses", "first", float(ours[0]))
    page.number("weaver", "losses", "mean_of_last_20", float(ours[-20:].mean()), n=20)
    means = {}
    for name in trained[0]:
        values = np.array([each[name][0] for each in trained])
        error = float(values.std(ddof=1) / len(values) ** 0.5)
        means[name] = Estimate(float(values.mean()), error)
        page.number("weaver", name, "auc", *means[name], n=len(values))
        for seed, each in zip(WEAVER_SEEDS, trained, strict=True):
            page.number("weaver", f"{name}, seed {seed}", "auc", *each[name])
    each_difference = ", ".join(
        estimate(Estimate(*each["difference"]), signed=True) for each in trained
    )
    page.text(
        f"""From the same weights, through the same {len(ours)} batches of 16 top and QCD jets
with Adam at 0.001, the losses of the two differ by at most {deviation:.1e}; they fall from
{ours[0]:.3f} to a mean of {ours[-20:].mean():.3f} over the last 20. This is in double precision,
where rounding errors stay small; on jets cut to their 40 hardest particles, as weaver's batch
norms include padding and ours do not, so that on padded jets the two are different functions in
training; and with particles displaced by 0.0001, as several in one calorimeter cell are equally
near.""",
        f"""Trained on 1,500 jets a class for three epochs (weaver's on jets padded to 128) and
tested on 2,000 jets a class, without weights, {len(trained)} times with other initial weights,
which both share, and other orders of the jets: mean AUC {estimate(means["ours"])} (ours) and
{estimate(means["weaver"])} (weaver's), with standard errors over the trainings; difference
{estimate(means["difference"], signed=True)}; one by one, with the errors of the test jets,
{each_difference}.""",
    )


def _add_provenance(page: Page, runs: Sequence[Run]) -> None:
    dates = sorted(str(run.provenance["date"])[:10] for run in runs)
    versions = runs[0].provenance["versions"]
    packages = ", ".join(f"{name} {versions[name]}" for name in ("torch", "pythia8mc", "fastjet"))
    period = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    page.text(
        f"Made with the command above by pyg_jets {__version__} ({packages}); trainings of "
        f"{period}, page of {datetime.date.today()}."
    )
