"""The page of the study: two tables of distances, responses of single jets, jets out of noise."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyg_jets import __version__
from pyg_jets.report.numbers import count
from pyg_jets.runs import Run
from pyg_jets.studies.generation import figures
from pyg_jets.studies.generation.claims import claims
from pyg_jets.studies.generation.jets import GenReco, Network, stages_of
from pyg_jets.studies.generation.measures import (
    DETECTORS,
    DRAWN,
    TARGETS,
    networks,
    noise_runs,
    rows,
)
from pyg_jets.studies.generation.tables import (
    add_bins,
    add_costs,
    add_jets,
    add_noise,
    add_particles,
    add_responses,
    add_samples,
)
from pyg_jets.studies.page import Page
from pyg_jets.studies.study import StudyRun

__all__ = ["page"]

NOTES = """GraphVAE (the class ConditionalGraphVAE) generates RECO from GEN jets of any length;
ConvVAE is the convolutional autoencoder of arXiv:2109.15197 on a list of fixed length, padded in
three ways, which models the leading particles alone. Both see the same jets of one generator and
one fast detector: nothing here says how either would do on another.

The losses of ConvVAE are the source's (Chamfer distance, pT, mass, KL divergence); its learning
rate is larger than the source's and falls, as it has 30 epochs. A Chamfer distance measures how
near a set is, not how a response is spread, so ConvVAE draws nearly the same RECO each time;
GraphVAE learns by energy scores of two draws."""
_TARGET_NAMES = {"leading": "the leading 50 constituents", "all": "all constituents"}
#: Networks of the figure of responses, as far as they were trained.
_SHOWN = ("GraphVAE", "ConvVAE 30, zeros", "ConvVAE 50, zeros")


def page(study_run: StudyRun) -> Page:
    """The page, from the runs of the scans and the measurements.

    Args:
        study_run: The run of the study.
    """
    trained = networks(study_run)
    truth = GenReco(next(each for each in trained if each.is_graph and not each.max_target))
    tables = {table: _lines(study_run, table, truth, trained) for table in TARGETS}
    page = Page(study_run.study.name, study_run.study.title)
    quick = " --quick" if study_run.quick else ""
    page.text(f"```sh\npyg-jets study run {study_run.study.name}{quick}\n```")
    if study_run.quick:
        page.text("A quick run, on so few jets that its numbers mean nothing.")
    page.text(NOTES)
    _add_method(page, truth)
    page.heading("What was asked")
    for table, lines in tables.items():
        page.text(f"Target: {_TARGET_NAMES[table]}.")
        page.text(
            "\n".join(
                f"- **{'met' if claim.met else 'not met'}**: {claim.statement} ({claim.numbers})."
                for claim in claims(table, lines)
            )
        )
    for table, lines in tables.items():
        _add_target(page, table, lines)
    _add_bins(page, tables)
    _add_costs(page, study_run, tables["leading"])
    _add_responses(page, study_run, trained)
    _add_noise(page, study_run)
    _add_provenance(page, [each.run for each in trained])
    return page


def _lines(
    study_run: StudyRun, table: str, truth: GenReco, trained: Sequence[Network]
) -> list[dict[str, Any]]:
    """The rows of a table with everything that was measured of them."""
    target = study_run.measured(f"{table}-target")
    lines = [{"key": "target", "title": "target", "kind": "target", **target}]
    for row in rows(table, truth, trained):
        line = {"key": row.key, "title": row.title, "kind": row.kind}
        for name in ("", "-distances", "-coverage"):
            line |= study_run.measured(f"{table}-{row.key}{name}") or {}
        if row.network is not None:
            line["cost"] = study_run.measured(f"costs-{row.key}")
        lines.append(line)
    return lines


def _add_method(page: Page, truth: GenReco) -> None:
    facts = truth.run.provenance
    page.heading("How it was done")
    page.text(f"""W jets of Pythia 8, anti-kt R = 0.8, 500 < pT < 600 GeV before the detector, |η|
< 2. The detector `cms-like` sees the particles of each jet, which are not clustered again.
Training jets: {count(facts["n_train"])}, with another response of the detector each epoch;
validation jets: {count(facts["n_val"])}; test jets: {count(truth.gen.n_jets)}. All rows are
compared with one truth, the RECO of the test jets, in one table cut to its 50 hardest particles
as the source's is. The truth floor is another draw of the detector for the same GEN jets;
identity takes GEN for RECO; a truth cut to its leading n is the best that a list of length n can
do.""")


def _add_target(page: Page, table: str, lines: Sequence[dict[str, Any]]) -> None:
    page.heading(f"Target: {_TARGET_NAMES[table]}")
    page.text("Distance of each feature of jets: W₁ over the standard deviation of the target.")
    add_jets(page, table, lines)
    page.text(
        "The same of particles; and (RECO − GEN) / GEN of each jet, mean ± standard deviation."
    )
    add_particles(page, table, lines)
    page.text(f"""W1M, W1P and W1EFP × 10³, mean ± deviation of 5 batches of
{count(lines[1]["batch"])} jets; W1EFP, FPD and KPD of the first 50,000 jets at most, COV and MMD
in batches of 100 at most. pT is relative to that of the GEN jet. “–” is not measured.""")
    add_samples(page, table, lines)


def _add_bins(page: Page, tables: dict[str, list[dict[str, Any]]]) -> None:
    lines = tables["leading"]
    lists = [line for line in lines if line["kind"] == "list"]
    best = min(lists, key=lambda line: line["emd"]["mass"] + line["emd"]["pt"])
    drawn = [next(line for line in lines if line["title"] == "GraphVAE"), best]
    names = " and ".join(line["title"] for line in drawn)
    page.heading("Bin by bin")
    page.text("""Histograms of mass and pT in 20 equal bins between the 1 % and 99 % quantiles of
the target: the share of bins whose ratio to the target is within 10 % of one, and the largest
deviation from one, with its statistical error.""")
    add_bins(page, tables)
    page.figure(
        f"{page.name}/bins",
        figures.bins(drawn),
        f"Mass and pT of {names}, with their ratio to the target",
        f"{names} against the leading 50 constituents; the band is 10 %. Of the ConvVAEs the one "
        "whose distances in mass and pT have the smallest sum.",
    )


def _add_costs(page: Page, study_run: StudyRun, lines: Sequence[dict[str, Any]]) -> None:
    detector = study_run.measured("costs-detector")["us"]
    fastest = min(line["cost"]["us"] for line in lines if "cost" in line)
    page.heading("What they cost")
    add_costs(page, lines)
    page.number("costs", "detector", "us", detector)
    page.text(
        f"""Seconds of an epoch include validation, on one thread beside the scan's other
processes, so that they compare only roughly; µs of sampling in batches of 1,024, the median. The
detector itself takes {detector:.0f} µs a jet, the fastest network {fastest / detector:.1f} times
as much: no speed-up is claimed.""",
        "One training step of 100 jets, random weights (the median of four):",
    )
    steps = study_run.measured("steps")
    page.table(
        ("network", "parameters", "s a step"),
        [
            (name, count(step["parameters"]), f"{step['step_s']:.3f}")
            for name, step in steps.items()
        ],
    )
    for name, step in steps.items():
        page.number("steps", name, "parameters", step["parameters"])
        page.number("steps", name, "step_s", step["step_s"])


def _add_responses(page: Page, study_run: StudyRun, trained: Sequence[Network]) -> None:
    detector = study_run.measured("response-detector-all")
    responses = {
        title: (study_run.measured(f"response-blind-{blind}"), detector, "all")
        for title, blind in DETECTORS.items()
    }
    for each in trained:
        most = str(each.max_target or "all")
        cut = study_run.measured(f"response-detector-{most}")
        responses[each.title] = study_run.measured(f"response-{each.key}"), cut, most
    n_jets = len(detector["pt"]["mean"])
    page.heading("Response of a jet")
    page.text(f"""{n_jets} GEN jets, each drawn repeatedly by the detector and by each network:
mean and standard deviation of RECO / GEN of each jet. The mean absolute difference of the means
(Δ), the mean ratio of the standard deviations (network over detector) and the correlation of the
means over the jets. The detector's jets are cut as the network's target is. “Detector again” is
the detector with another seed: the best agreement that as many draws allow. Networks read (pT, η,
φ) relative to the jet's axis. A detector that is given particles of shuffled kinds, and jets of
shuffled η too, knows no more than they do, and about as well can a network follow single jets.""")
    add_responses(page, responses)
    shown = [title for title in _SHOWN if title in responses]
    page.figure(
        f"{page.name}/response",
        figures.response(responses, shown),
        f"Response of each jet, network against detector: {', '.join(shown)}",
        "Each point is a jet; on the line the network agrees with the detector.",
    )


def _add_noise(page: Page, study_run: StudyRun) -> None:
    page.heading("Out of noise")
    for run in noise_runs(study_run, 1):
        process = str(run.facts["processes"][0])
        measured = study_run.measured(f"noise-{process}")
        page.text(
            f"{process.capitalize()} jets out of the prior of GraphVAE, {count(measured['n'])} of "
            "them, and as many real ones (truth floor), beside as many others; "
            f"{count(measured['empty'])} generated jets are empty. W1M and W1P × 10³; pT of W1P "
            "and FPD is relative to the jet's own."
        )
        add_noise(page, process, measured)
    for run in noise_runs(study_run, 2):
        facts = run.facts
        digit = "digits" if facts.get("digit") is None else f"the digit {facts['digit']}"
        name = f"{digit} with {facts['n_pixels']} pixels"
        stages = stages_of(run)
        shown = {stage: _pixels(stages[stage]) for stage in ("target", "reconstructed", "made")}
        text = f"{name[0].upper()}{name[1:]}, by rows: {', '.join(shown)}"
        file = f"{page.name}/{name.replace('the ', '').replace(' ', '-')}"
        page.figure(file, figures.digits(shown), text, f"{text}; the last are out of noise.")


def _pixels(jets: Any, n: int = 8) -> list[np.ndarray]:
    """The pixels (x, y, intensity) of the first digits."""
    return [jets.particles[jets.ptr[i] : jets.ptr[i + 1]] for i in range(min(n, len(jets)))]


def _add_provenance(page: Page, runs: Sequence[Run]) -> None:
    facts = [run.provenance for run in runs]
    dates = sorted(str(each["date"])[:10] for each in facts)
    versions = facts[0]["versions"]
    packages = ", ".join(f"{name} {versions[name]}" for name in ("torch", "pythia8mc", "fastjet"))
    period = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    seeds = ", ".join(sorted({str(each["seed"]) for each in facts}))
    page.text(f"""Made with the command above by pyg_jets {__version__} ({packages}); trainings of
{period} with seed {seeds}, one each; the detector has seed 0 for the target, 1 for the truth
floor, {DRAWN} and 3 for the responses; page of {datetime.date.today()}.""")
