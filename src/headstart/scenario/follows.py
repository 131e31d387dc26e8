"""What follows from a diagnosis: which kinds of transfer apply, and which would hurt."""

from __future__ import annotations

import dataclasses
from collections.abc import Set
from typing import Literal

from headstart.scenario.finding import Difference

Kind = Literal["instances", "features", "parameters", "relations"]
Verdict = Literal["applies", "would hurt", "does not apply"]

APART = 0.99  # AUC from which on source and target have next to no rows in common


@dataclasses.dataclass(frozen=True)
class Follow:
    """Whether one kind of knowledge should be carried over.

    Attributes
    ----------
    kind : str
        "instances", "features", "parameters" or "relations".
    verdict : "applies", "would hurt" or "does not apply"
    reason : str
    """

    kind: Kind
    verdict: Verdict
    reason: str


def follows(
    differences: Set[Difference], *, auc: float | None, n_features: int, n_classes: int | None, labelled: bool
) -> tuple[Follow, ...]:
    """Return a verdict for each kind of transfer.

    Parameters
    ----------
    differences : set of str
        What was found.
    auc : float or None
        Of a classifier that tells source from target.
    n_features : int
        Columns in common.
    n_classes : int or None
        Classes in common; None where it is not known.
    labelled : bool
        Whether the target has labels.

    References
    ----------
    Zhao, Tachet des Combes, Zhang and Gordon (2019), On learning invariant representations for domain adaptation,
    arXiv:1901.09453, theorem 4.3: where the classes' shares differ, aligning P(X) sets a lower bound on the error.

    Examples
    --------
    >>> for one in follows({"label"}, auc=0.7, n_features=5, n_classes=3, labelled=False):
    ...     print(one.kind, one.verdict)
    instances applies
    features would hurt
    parameters does not apply
    relations does not apply
    """
    apart = auc is not None and auc >= APART
    return (
        Follow("instances", *_instances(differences, apart, n_features, n_classes, labelled)),
        Follow("features", *_features(differences, n_features, n_classes, labelled)),
        Follow("parameters", *_parameters(differences, n_features, n_classes, labelled)),
        Follow("relations", "does not apply", "rows of a table or pictures are not tied to one another: give graphs"),
    )


def _instances(
    found: Set[Difference], apart: bool, n_features: int, n_classes: int | None, labelled: bool
) -> tuple[Verdict, str]:
    if not n_features:
        return "does not apply", "source and target have no column in common"
    if n_classes == 0:
        return "would hurt", "no class of the source is one of the target"
    if "conditional" in found:
        if labelled:
            return "applies", "only with target labels, so that rows which contradict them lose weight (TrAdaBoost)"
        return "would hurt", "the source's labels are wrong for the target, and no weight of X mends that"
    if "label" in found:
        return (
            "applies",
            "weight each class by its share in the target; within a class rows are as good as its own",
        )
    if "covariate" in found:
        if apart:
            return "would hurt", "hardly a source row looks like the target, so the weight would lie on a few rows"
        return "applies", "weight source rows by how much they look like the target"
    return "applies", "source rows are as good as the target's: pool them without weights"


def _features(found: Set[Difference], n_features: int, n_classes: int | None, labelled: bool) -> tuple[Verdict, str]:
    if "feature_space" in found:
        what = "a shared latent space, learned from classes or rows that both have"
        if n_features:
            return "applies", f"the {n_features:,} columns in common, or {what}"
        return ("applies", what) if labelled else ("does not apply", f"{what}: it needs target labels or paired rows")
    if "label" in found:
        return "would hurt", "aligning P(X) where the classes' shares differ puts classes on top of one another"
    if "label_space" in found:
        if n_classes == 0:
            return "would hurt", "there is no common class to align"
        return "would hurt", "aligning P(X) puts classes that one side lacks on top of others"
    if "conditional" in found:
        return "would hurt", "what lies on top of one another after aligning has different labels"
    if "covariate" in found:
        return "applies", "align the target's features with the source's"
    return "does not apply", "there is nothing to align"


def _parameters(found: Set[Difference], n_features: int, n_classes: int | None, labelled: bool) -> tuple[Verdict, str]:
    if not n_features:
        return "does not apply", "the source's weights belong to columns that the target lacks"
    if not labelled:
        return "does not apply", "a prior needs target labels to be weighed against: all there is is the source's model"
    where = "on the columns in common; " if "feature_space" in found else ""
    if n_classes == 0:
        return "applies", f"{where}only below the classifier, which has none of the target's classes"
    if "conditional" in found:
        return "applies", f"{where}a weak prior, which target labels can overrule"
    return "applies", f"{where}start from the source's weights and stay near them as long as labels are few"
