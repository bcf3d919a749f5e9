"""Columns of the tables of GEN → RECO, and the texts above them."""

from __future__ import annotations

from pyg_jets.studies.generation.gen_reco_bench import SHAPES, Sizes
from pyg_jets.studies.generation.gen_reco_jets import FEATURES
from pyg_jets.studies.generation.gen_reco_measures import metric_of
from pyg_jets.studies.generation.tables import Column

__all__ = [
    "ABLATIONS",
    "ABLATIONS_TEXT",
    "DISTANCES",
    "FACTORISATION",
    "FACTORISATION_TEXT",
    "LATENT",
    "LATENT_TEXT",
    "LATENT_TITLES",
    "SAMPLES",
    "SINGLE",
    "TEXT",
    "distances_text",
    "samples_text",
    "single_text",
]

TEXT = """The detector `cms-like` responds to each GEN jet; all rows are compared with one response,
the truth, of the same {n} test jets, {train} others being there to train on. *Detector again* is
another response of the detector: the floor of each distance, and the ceiling of each correlation.
*Grid hidden* moves each jet by less than a cell before the detector, and back: the ceiling of what
reads no absolute positions. *Kinds and η hidden* gives particles the kinds of others, and jets the
η of others: the ceiling of the source's inputs (pT, η and φ relative to the axis). *Mean ratio*
multiplies pT, mass and multiplicity of GEN by the mean of the training jets, *random response* by
those of a training jet drawn at random, *conditional mean* by what gradient-boosted trees expect
of eight features of the jet. *Truth, leading n* is the best that a list of n particles can be."""
DISTANCES: dict[str, Column] = {
    metric_of(name): (name.replace("_", " "), 1.0) for name in (*FEATURES, *SHAPES)
}
SINGLE: dict[str, Column] = {
    "skill": ("skill", 1.0),
    "skill_no_kinds": ("without kinds", 1.0),
    "response_correlation_pt": ("corr. pT", 1.0),
    "response_correlation_mass": ("corr. mass", 1.0),
    "response_correlation_pt_share": ("of ceiling, pT", 1.0),
    "response_correlation_mass_share": ("of ceiling, mass", 1.0),
    "response_width_pt": ("width pT", 1.0),
    "response_width_mass": ("width mass", 1.0),
}
SAMPLES: dict[str, Column] = {
    "w1p": ("W1P × 10³", 1e3),
    "fpd": ("FPD × 10³", 1e3),
    "kpd": ("KPD × 10³", 1e3),
    "two_sample_auc_tree": ("AUC tree", 1.0),
    "two_sample_auc_pfn": ("AUC PFN", 1.0),
    "two_sample_auc_pfn_exact": ("AUC PFN, exact", 1.0),
    "bins_within_tenth_pt": ("bins pT", 1.0),
    "bins_within_tenth_mass": ("bins mass", 1.0),
}
LATENT: dict[str, Column] = {
    "kl_nats": ("KL, nats", 1.0),
    "active_latents": ("active", 1.0),
    "r2_abs_eta": ("R² of |η|", 1.0),
    "r2_abs_eta_prior": ("by p(z given GEN)", 1.0),
    "r2_scale": ("R² of the scale", 1.0),
    "scale_spread_ratio": ("its spread, made / true", 1.0),
}
LATENT_TITLES = {
    "full": "full inputs", "source": "source's inputs", "common scale": "common scale",
}  # fmt: skip
LATENT_TEXT = """The latent is common to all particles of a jet. KL is the divergence of q(z | GEN,
RECO) from p(z | GEN). With kinds and positions as inputs the particles of a jet are measured one by
one, and nothing is left for the latent. The source's inputs hide |η|, which all particles of a jet
have in common: R² is that of a regression of |η| on the mean of z, for jets that it was not fitted
to. *Common scale* is a detector whose particles of a jet have an energy scale of 3 % in common."""
FACTORISATION: dict[str, Column] = {
    "largest_correlation": ("largest correlation of two kinds", 1.0),
    "mean_correlation": ("mean correlation of two particles", 1.0),
}
FACTORISATION_TEXT = """The detector itself: correlations over draws, given GEN, of the deviations
of particles of a jet that were measured alone. They are 0 within their errors if its response
factorises."""


ABLATIONS: dict[str, Column] = {
    "skill": SINGLE["skill"],
    **{name: SINGLE[name] for name in SINGLE if name.startswith(("response_c", "response_w"))},
    **{f"emd_{name}": (name, 1.0) for name in ("pt", "mass", "n")},
    **{name: SAMPLES[name] for name in ("w1p", "two_sample_auc_tree", "two_sample_auc_pfn")},
}
ABLATIONS_TEXT = """What made the design, with one seed and a short training on fewer jets each, and
compared by {test} test jets: the likelihood of linked particles alone, without the score of whole
jets; the score alone, without links; particles that never merge; and ln pT and |η| as plain
numbers, without hat functions. That the cells are not told is in the tables above."""


def distances_text(sizes: Sizes) -> str:
    """What the table of distances shows."""
    return f"""W₁ of each feature of jets over the deviation of the truth, with errors of a
bootstrap of the GEN jets. Those of *detector again*, and its W1P, FPD and KPD below, are the means
of {sizes.floors} seeds of the detector, and their errors the spread of these: the floor."""


def single_text(sizes: Sizes) -> str:
    """What the table of single jets shows."""
    return f"""Skill is (identity − row) / (identity − detector again) of an energy score of two
draws against the truth, by a linear embedding of sets that no row was trained on; without kinds, no
row is told which particles are charged or photons. {sizes.drawn} jets were drawn {sizes.draws}
times: the correlation over jets of their mean RECO / GEN with that of the detector, the same as a
share of the ceiling (what the detector itself reaches with what the row knows), and the ratio of
the mean widths."""


def samples_text(sizes: Sizes) -> str:
    """What the table of samples shows."""
    return f"""W1P, FPD and KPD with pT relative to that of GEN (FPD and KPD of the first
{sizes.polynomials} jets at most). AUC of a tree on observables of GEN and RECO, and of a particle
flow network on the particles of both ({sizes.pfn} jets of a class), which cannot see what the
detector keeps exactly: positions are blurred by a cell, those of tracks by 0.01; “exact” lets it
see. Bins: the share of bins of pT and mass, merged until their own error is at most 3 %, that are
within 10 % of the truth."""
