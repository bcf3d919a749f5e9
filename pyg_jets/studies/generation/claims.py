"""What is asked of the numbers of the page: a goal for each row of the table of verdicts."""

from __future__ import annotations

from pyg_jets.studies.goals import Goal, Limit

__all__ = ["GOALS"]

_NETWORK = "GraphVAE"
_TRIVIAL = ("identity", "mean ratio")
_AGAIN, _RANDOM = "detector again", "random response"


def _digits() -> list[Goal]:
    def of(metric: str, at_least: Limit, goal: Limit | None = None, table: str = "digits-100",
           note: str = "") -> Goal:  # fmt: skip
        return Goal(table, _NETWORK, metric, at_least, goal, (("real digits", metric),), note)

    by_features = "pair_feature_ratio", "pair_feature_ratio_reconstructed"
    return [
        of("reconstruction_accuracy", Limit(low=0.92), Limit(low=0.95)),
        of("sample_class_accuracy", Limit(low=0.94), Limit(low=0.97)),
        of("sample_max_probability", Limit(low=0.95), Limit(low=0.97)),
        of("sample_fd", Limit(high=60), Limit(high=40)),
        Goal(
            "digits-100",
            _NETWORK,
            "pair_distance_ratio",
            Limit(0.9, 1.1),
            None,
            tuple((_NETWORK, metric) for metric in by_features),
            "chosen after the distance by features was seen to fail",
        ),
        of("nearest_training_ratio", Limit(low=0.9)),
        of("reconstruction_accuracy", Limit(low=0.90), table="digits-8"),
        of("reconstruction_accuracy", Limit(low=0.77), table="digits-25"),
        of("training_minutes", Limit(high=15), Limit(high=6)),
    ]


def _gen_reco() -> list[Goal]:
    table = "gen-reco"

    def of(metric: str, at_least: Limit, goal: Limit | None = None,
           rows: tuple[str, ...] = (_AGAIN, _RANDOM), note: str = "") -> Goal:  # fmt: skip
        return Goal(table, _NETWORK, metric, at_least, goal, tuple((r, metric) for r in rows), note)

    goals = [of("skill", Limit(low=0.93), Limit(low=0.97), (_RANDOM, "detector, grid hidden"))]
    for name, least in (("pt", 0.93), ("mass", 0.90)):
        metric = f"response_correlation_{name}"
        beside = ((_NETWORK, metric), (_AGAIN, metric), ("detector, grid hidden", metric))
        goals.append(
            Goal(
                table,
                _NETWORK,
                f"{metric}_share",
                Limit(low=least),
                Limit(low=0.97),
                beside,
                "a share of the ceiling",
            )
        )
    widths = {"pt": Limit(0.95, 1.05), "mass": Limit(0.95, 1.07)}
    goals += [of(f"response_width_{n}", w, Limit(0.98, 1.02)) for n, w in widths.items()]
    goals.append(of("emd_n", Limit(below=(_RANDOM,)), Limit(below=(_AGAIN,), errors=2)))
    for name in ("pt", "mass", "eta", "phi"):
        emds = tuple((row, f"emd_{name}") for row in (_NETWORK, _RANDOM, _AGAIN))
        goals.append(
            Goal(
                table,
                _NETWORK,
                f"emd_{name}_minus_random_response",
                Limit(high=0, errors=2),
                None,
                emds,
                "paired error",
            )
        )
        goals.append(
            Goal(table, _NETWORK, f"emd_{name}", Limit(), Limit(below=(_AGAIN,), errors=2))
        )
    for name in ("pt", "mass"):
        goals.append(of(f"bins_within_tenth_{name}", Limit(low=0.9), Limit(above=(_AGAIN,))))
    for metric in ("fpd", "kpd", "w1p"):
        floor = Limit(below=(_AGAIN,), factor=2, errors=2)
        goals.append(of(metric, Limit(below=_TRIVIAL), floor, (_AGAIN, *_TRIVIAL, _RANDOM)))
    goals.append(of("two_sample_auc_tree", Limit(high=0.55), Limit(high=0.52)))
    goals.append(of("two_sample_auc_pfn", Limit(high=0.70), Limit(high=0.60)))
    latent = {"full inputs": "kl_nats", "source's inputs": "r2_abs_eta", "common scale": "r2_scale"}
    return goals + [Goal("gen-reco-latent", row, metric) for row, metric in latent.items()]


def _noise() -> list[Goal]:
    goals = []
    for kind in ("w", "g", "top"):
        limits = {
            "w1m_over_floor": (Limit(high=3), Limit(high=2)),
            "w1p_over_floor": (Limit(high=6 if kind == "top" else 5), Limit(high=3)),
            "w1efp_over_floor": (Limit(high=15), Limit(high=5)),
            "w1_tau21": (Limit(high=0.10), Limit(high=0.05)),
            "w1_tau32": (Limit(high=0.30), Limit(high=0.15)),
            "w1_softdrop_ratio": (Limit(high=0.08), Limit(high=0.03)),
            "two_sample_auc_tree": (Limit(high=0.68), Limit(high=0.60)),
            "two_sample_auc_pfn": (Limit(), Limit(high=0.80)),
        }
        for metric, (least, goal) in limits.items():
            beside = tuple((row, metric) for row in ("truth floor", "AutoregressiveJets"))
            goals.append(Goal(f"noise-{kind}", _NETWORK, metric, least, goal, beside))
    return goals


def _costs() -> list[Goal]:
    return [
        Goal("noise-w-all", _NETWORK, "us_per_jet", Limit(high=6), Limit(high=4)),
        Goal("sampling", "GEN → RECO", "us_per_jet", Limit(high=20), Limit(high=12)),
    ]


def _conv() -> list[Goal]:
    rows = ("ConvVAE 30, mask",)
    return [
        Goal(
            "conv-wide",
            row,
            f"bins_within_tenth_{name}",
            Limit(low=0.5),
            None,
            ((_AGAIN, f"bins_within_tenth_{name}"), (row, "steps_since_best")),
        )
        for row in rows
        for name in ("mass", "pt")
    ]


#: By section of the page.
GOALS: dict[str, list[Goal]] = {
    "digits": _digits(), "gen_reco": _gen_reco(), "noise": _noise(), "conv": _conv(),
    "sampling": _costs(),
}  # fmt: skip
