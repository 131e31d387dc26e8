"""How do source and target differ? The tests of this room, one after the other, and what they say together."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from headstart.results import DataError
from headstart.scenario.basis import basis
from headstart.scenario.case import Case, Labels, Rows, as_labels, one_a_group, renamed
from headstart.scenario.classifier_test import told_apart
from headstart.scenario.conditional import Conditional, compare_conditionals
from headstart.scenario.feature_space import compare_features
from headstart.scenario.finding import Difference, p_text
from headstart.scenario.follows import follows
from headstart.scenario.label_shift import LabelShift, shares_test
from headstart.scenario.label_space import LabelSpace, class_means, compare_labels, likely_names
from headstart.scenario.marginal import Marginal, compare_marginals, feature_shifts
from headstart.scenario.scenario import Scenario
from headstart.scenario.source_model import source_model
from headstart.scenario.table import Table, as_numbers, read_table
from headstart.scenario.told_by_labels import counted_shift, estimated_shift

MOST = 2000
N_PERMUTATIONS = 299
_LEAST_LABELLED = 10  # target rows
_TESTS = 4  # questions that share the level: P(X), the classes' shares, the classes, P(Y given X)


def diagnose(
    Xs: Any,
    ys: ArrayLike | None,
    Xt: Any,
    yt: ArrayLike | None = None,
    *,
    feature_names: Sequence[str] | tuple[Sequence[str], Sequence[str]] | None = None,
    groups: tuple[ArrayLike | None, ArrayLike | None] = (None, None),
    class_vectors: Mapping[str, ArrayLike] | None = None,
    names: tuple[str, str] = ("source", "target"),
    level: float = 0.05,
    most: int = MOST,
    n_permutations: int = N_PERMUTATIONS,
    random_state: int | np.random.Generator | None = 0,
) -> Scenario:
    """Say how a labelled source differs from a target, and what can be carried over.

    Parameters
    ----------
    Xs, Xt : array_like or DataFrame, shapes (ns, ds) and (nt, dt)
        In a DataFrame names and types of the columns are the feature space, and text is categories.
    ys : array_like, shape (ns,)
        Classes.
    yt : array_like, shape (nt,), optional
        -1 (where it is no class of the source), NaN or None where a row has no label. Rows with a label are taken for
        a random sample of the target. Without labels the classes and P(Y given X) cannot be compared.
    feature_names : sequence of str, or a pair of them, optional
        Of arrays; one sequence names the columns of both.
    groups : pair of array_like or None
        Rows of one group (copies, one patient) are no independent evidence: of each, one row is drawn.
    class_vectors : mapping of str to array_like, optional
        Vectors of the classes' names; classes that are called differently are matched by them. Without them, those
        are matched whose examples lie alike.
    names : pair of str
        What source and target are called in sentences.
    level : float
        Chance that anything is found where nothing differs. The four tests get a quarter each.
    most : int
        Rows of each side that tests look at; of more, a random sample.
    n_permutations : int
        For permutation tests; at least ``12 / level - 1``.
    random_state : int, Generator or None

    Returns
    -------
    Scenario

    Raises
    ------
    DataError
        If shapes do not fit, there is nothing to compare, labels are a quantity, or ``n_permutations`` is too small for
        the level.

    Notes
    -----
    Where both sides have classes that the other lacks, P(X), the shares and P(Y given X) are compared on the shared
    classes. A difference in P(X) is a label shift if the classes' shares have moved and X is the same within each
    class; P(Y given X) then differs only as it must, and that is not reported. Otherwise it is a covariate shift.
    Where both explanations hold, the one with the higher p-value is taken.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> def draw(n, share):
    ...     y = (rng.random(n) < share).astype(int)
    ...     return rng.normal(size=(n, 2)) + 2 * y[:, None], y
    >>> found = diagnose(*draw(400, 0.5), *draw(400, 0.9))
    >>> sorted(found.differences), found.marginal.kind
    (['label'], 'label')
    """
    if not 0 < level < 1:
        raise DataError(f"level={level}: give a chance between 0 and 1, such as 0.05")
    if most < 2:
        raise DataError(f"most={most}: give the number of rows to look at, 2 or more")
    if n_permutations + 1 < 3 * _TESTS / level:
        raise DataError(
            f"n_permutations={n_permutations} cannot show a difference at level={level}: give at least "
            f"{int(np.ceil(3 * _TESTS / level)) - 1}"
        )
    rng = np.random.default_rng(random_state)
    one, two = _names_of(feature_names)
    source, target = read_table(Xs, one, "Xs"), read_table(Xt, two, "Xt")
    labels_s, labels_t = as_labels(ys, yt, len(source), len(target))
    rows_s, rows_t = (one_a_group(g, len(side), rng) for g, side in zip(groups, (source, target), strict=True))
    source, target, labels_s = source.take(rows_s), target.take(rows_t), labels_s[rows_s]
    labels_t = None if labels_t is None else labels_t[rows_t]
    notes = [
        f"of each group one row was drawn: {len(side):,} of the {name} count"
        for side, name, given in zip((source, target), names, groups, strict=True)
        if given is not None and len(side) < len(np.asarray(given))
    ]

    feature_space, shared = compare_features(source, target)
    named = renamed(target, shared)
    known = None if labels_t is None else np.array([label is not None for label in labels_t])
    per_test = level / _TESTS
    label_space = compare_labels(labels_s, None if labels_t is None else labels_t[known], level=per_test)
    if label_space.source_only and label_space.target_only:
        if class_vectors is not None:
            label_space = likely_names(label_space, class_vectors, class_vectors, by_examples=False)
        elif shared:
            label_space = _by_examples(label_space, source, named, tuple(shared), labels_s, labels_t, most, rng)
    case = Case(source, named, tuple(shared), labels_s, labels_t, label_space, most, rng)
    notes += case.notes
    marginal, label_shift, conditional = _compare(case, per_test, n_permutations, rng)

    found: set[Difference] = set()
    if feature_space.differs:
        found.add("feature_space")
    if label_space.differs:
        found.add("label_space")
    if marginal.kind == "covariate":
        found.add("covariate")
    if label_shift.differs:
        found.add("label")
    if conditional.differs:
        found.add("conditional")
    return Scenario(
        source=names[0], target=names[1], feature_space=feature_space, marginal=marginal, label_shift=label_shift,
        label_space=label_space, conditional=conditional, differences=frozenset(found),
        follows=follows(
            found, auc=None if marginal.told is None else marginal.told.auc, n_features=len(shared),
            n_classes=None if labels_t is None else len(label_space.pairs), labelled=labels_t is not None,
        ),
        n_source=len(rows_s), n_target=len(rows_t), n_labelled=0 if known is None else int(known.sum()), level=level,
        warnings=(*notes, *feature_space.warnings, *label_shift.warnings),
    )  # fmt: skip


def _compare(
    case: Case, level: float, n_permutations: int, rng: np.random.Generator
) -> tuple[Marginal, LabelShift, Conditional]:
    """Return what the three tests say, each in the light of the others."""
    if not case.columns:
        nothing = "there is no column in common"
        return (
            Marginal(differs=None, sentence=f"Whether P(X) differs cannot be told: {nothing}."),
            _no_shift(nothing),
            _no_conditional(nothing),
        )
    if min(len(case.numbers_s), len(case.numbers_t)) < 2:
        return (
            Marginal(differs=None, sentence="Whether P(X) differs cannot be told: a side has fewer than two rows."),
            _no_shift("a side has fewer than two rows"),
            _no_conditional("a side has fewer than two rows"),
        )
    shifts = feature_shifts(case.source, case.target, case.columns)
    marginal = compare_marginals(
        case.numbers_s, case.numbers_t, shifts, level=level, n_permutations=n_permutations, rng=rng
    )
    k, ns = len(case.classes), len(case.numbers_s)
    if k < 2 or not case.numbers_s.shape[1]:
        why = "no feature varies" if k >= 2 else "there is only one class to compare"
        shift, conditional = _no_shift(why), _no_conditional(why)
    else:
        seen = basis(np.concatenate([case.numbers_s, case.labelled]), rng)
        codes = np.concatenate([case.codes_s, case.codes_t])
        conditional = _conditional(case, seen, codes, level, rng)
        if case.complete and len(case.codes_t) >= 2:
            shift = counted_shift(
                case.counts, seen, ns, codes, case.classes, level=level, n_permutations=n_permutations, rng=rng
            )
        elif case.complete:
            shift = _no_shift("no class is on both sides")
        else:
            everything = basis(np.concatenate([case.numbers_s, case.numbers_t]), rng)
            model = source_model(everything.linear[:ns], case.codes_s, everything.linear[ns:], k, rng)
            shift = estimated_shift(
                model, case.codes_s, everything, case.classes, level=level, n_permutations=n_permutations, rng=rng
            )
        shift, conditional = _reconciled(
            case, shift, conditional, marginal, seen, ns, codes, level, n_permutations, rng
        )
    if marginal.differs:
        marginal = _explained(marginal, shift)
    return marginal, shift, conditional


def _conditional(case: Case, seen: Any, codes: Rows, level: float, rng: np.random.Generator) -> Conditional:
    ns, nt = len(case.codes_s), len(case.codes_t)
    if not nt:
        return _no_conditional("there are no target labels" if not case.complete else "no class is on both sides")
    if nt < _LEAST_LABELLED:
        return _no_conditional(f"the target has {nt} labelled rows of shared classes")
    model = source_model(seen.linear[:ns], case.codes_s, seen.linear[ns:], len(case.classes), rng)
    return compare_conditionals(seen, ns, codes, model, level=level, rng=rng)


def _reconciled(
    case: Case, shift: LabelShift, conditional: Conditional, marginal: Marginal, seen: Any, ns: int, codes: Rows,
    level: float, n_permutations: int, rng: np.random.Generator,
) -> tuple[LabelShift, Conditional]:  # fmt: skip
    """Return both findings such that one difference is told once."""
    if shift.differs and shift.method == "estimated" and not marginal.differs:
        text = (
            f"A source model finds other shares of the classes in the target ({p_text(shift.p_value or 0.0)}), but no "
            "difference in P(X) was found that they could explain: whether they moved cannot be told."
        )
        shift = dataclasses.replace(shift, differs=None, sentence=text)
    fixed = conditional.p_value if conditional.differs is False else None
    if shift.differs and shift.method == "counted" and marginal.differs and fixed and fixed > (shift.within or 0.0):
        text = f"{shift.sentence.removesuffix(': label shift.')}; a covariate shift fits as well or better."
        return dataclasses.replace(shift, differs=False, sentence=text), conditional
    if not conditional.differs:
        return shift, conditional
    within = shift.within if shift.method == "counted" else None
    if within is None:
        counts = np.stack([np.bincount(part, minlength=len(case.classes)) for part in np.split(codes, [ns])])
        if shares_test(counts, 999, rng) <= level:
            within = told_apart(seen, ns, codes, n_permutations, rng).p_value
    if within is not None and within > level:
        text = f"P(Y given X) differs only as the classes' shares do: within the classes X is alike ({p_text(within)})."
        return shift, dataclasses.replace(conditional, differs=False, sentence=text)
    return shift, conditional


def _explained(marginal: Marginal, shift: LabelShift) -> Marginal:
    kind: Any = "label" if shift.differs else "covariate"
    text = "label shift: the classes' shares explain it" if shift.differs else "covariate shift"
    return dataclasses.replace(marginal, kind=kind, sentence=f"{marginal.sentence.removesuffix('.')} ({text}).")


def _by_examples(
    space: LabelSpace, source: Table, target: Table, columns: tuple[str, ...], labels_s: Labels,
    labels_t: Labels | None, most: int, rng: np.random.Generator,
) -> LabelSpace:  # fmt: skip
    """Return the finding with classes paired whose examples lie alike on the columns that both have."""
    assert labels_t is not None
    rows_s = rng.permutation(len(source))[:most]
    rows_t = rng.permutation(np.flatnonzero([label is not None for label in labels_t]))[:most]
    numbers_s, numbers_t = as_numbers(source.take(rows_s), target.take(rows_t), columns)
    if not numbers_s.shape[1]:
        return space
    means = class_means(numbers_s, labels_s[rows_s]), class_means(numbers_t, labels_t[rows_t])
    return likely_names(space, *means, by_examples=True)


def _no_shift(why: str) -> LabelShift:
    return LabelShift(differs=None, sentence=f"Whether the classes' shares differ cannot be told: {why}.")


def _no_conditional(why: str) -> Conditional:
    return Conditional(differs=None, sentence=f"Whether P(Y given X) differs cannot be told: {why}.")


def _names_of(names: Any) -> tuple[Sequence[str] | None, Sequence[str] | None]:
    if names is None:
        return None, None
    if len(names) == 2 and not any(isinstance(one, str) for one in names):
        return names[0], names[1]
    return names, names
