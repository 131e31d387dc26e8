"""The report of a fit: its answers, in the order of the questions, as sections of one page."""

from __future__ import annotations

import functools
import shlex
from typing import TYPE_CHECKING, Any

from headstart.pipeline.page_bakeoff import bakeoff_sections
from headstart.pipeline.page_balance import balance_sections
from headstart.pipeline.page_carried import carried_sections
from headstart.pipeline.page_norm import norm_sections
from headstart.report import (
    Block,
    ClassBars,
    ConfusionMatrix,
    Decision,
    Details,
    Figure,
    Gallery,
    KeyFigure,
    KeyFigures,
    Notes,
    Picture,
    Section,
    Table,
    answer_section,
    render,
)
from headstart.report.thumbnails import SIDE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headstart.evaluation import LabelIssues, Mistakes
    from headstart.imbalance import MetricChoice
    from headstart.pipeline.findings import Findings
    from headstart.pipeline.plan import Plan
    from headstart.sources import Source

_NAMES = {
    "macro_f1": ("macro-F1", "the mean over the classes, each counting the same"),
    "balanced_accuracy": ("balanced accuracy", "the share of each class that is found, averaged over the classes"),
    "accuracy": ("accuracy", "the share of all that is right; large classes count most"),
    "roc_auc": ("ROC-AUC", "the chance that the right class ranks a picture of its own above another"),
    "pr_auc": ("PR-AUC", "average precision; compare it with the prevalence"),
    "ece": ("calibration error", "how far stated probabilities are from what comes true; 0 is perfect"),
}

_SCALED = {
    "standard": "standardized features",
    "robust": "features less their median, over their interquartile range",
    "quantile": "the ranks of features among the training rows",
}


def headline(found: Findings) -> str:
    """Return what the run found, in one sentence."""
    thing = "pictures" if found.target.modality == "pictures" else "rows"
    if found.evaluation is None:
        chosen = found.validation or found.bakeoff
        assert chosen is not None
        return chosen.headline()
    score, accuracy = found.evaluation.metrics["macro_f1"], found.evaluation.metrics["accuracy"]
    return (
        f"macro-F1 {score.value:.3f} (95 % interval {score.low:.3f} to {score.high:.3f}), "
        f"accuracy {accuracy.value:.3f}, on {len(found.target.rows('test')):,} held-out {thing} that were touched once."
    )


def report_page(found: Findings, plan: Plan) -> str:
    """Return the page, as HTML."""
    target, source = found.target, found.source
    sections = [_profile(found)]
    if found.metric is not None:
        sections.append(_metric(found.metric))
    if source is not None:
        sections.append(source_section(found))
    if found.input_fit is not None:
        sections.append(input_fit_section(found))
    sections += norm_sections(found)
    if found.seen is not None:
        sections.append(answer_section(found.seen))
    if found.validation is not None:
        sections.append(_validation(found))
    sections += [*carried_sections(found), *bakeoff_sections(found), *balance_sections(found)]
    if found.evaluation is not None:
        sections.append(_evaluation(found))
    sections.append(_look_at(found))
    parts = {part: len(target.rows(part)) for part in ("train", "val", "test")}
    facts = {
        "Pictures" if target.modality == "pictures" else "Rows": f"{sum(parts.values()):,}",
        "Classes": f"{len(target.classes):,}",
        "Learned from": f"{parts['train'] + parts['val']:,}",
        "Tested on": f"{parts['test']:,}",
        "Source": source.name if source else "plain features",
    }
    figures = [] if found.evaluation is None else [_figure("macro_f1", found.evaluation.metrics["macro_f1"])]
    return render(
        sections,
        title=target.name,
        subtitle=f"{len(target.classes):,} classes · headstart fit",
        facts=facts,
        verdict=_verdict(found),
        figures=figures,
        provenance=provenance(plan, target.fingerprint, source),
        command=repeated(plan),
    )


def _verdict(found: Findings) -> str:
    evaluation = found.evaluation
    sentence = headline(found)
    if evaluation is None:
        return f"{sentence[0].upper()}{sentence[1:]} There was no test part."
    each = evaluation.to_frame()["F1"]  # the weakest first
    thing = "pictures" if found.target.modality == "pictures" else "rows"
    return (
        f"Of 100 new {thing} like these, about {100 * evaluation.metrics['accuracy'].value:.0f} are named rightly. "
        f"The weakest class is {each.index[0]} (F1 {each.iloc[0]:.2f}): look at its mistakes first."
    )


def provenance(plan: Plan, data: str, source: Source | None) -> dict[str, str]:
    """Return what the run came from: versions, engine, seed, and the fingerprints of ``data`` and source."""
    return {
        **{name: str(version) for name, version in plan.versions.items()},
        "engine": " ".join(plan.engine.values()) or "none",
        "seed": str(plan.settings.seed),
        "data fingerprint": data[:16],
        "source fingerprint": source.fingerprint[:16] if source else "none",
    }


def repeated(plan: Plan) -> str:
    """Return the command that repeats the run."""
    settings = plan.settings
    words = ["headstart", "fit", "DATA", "--source", settings.source, "--seed", str(settings.seed)]
    if settings.architecture:
        words += ["--architecture", settings.architecture]
    if settings.input_fit != "auto":
        words += ["--input-fit", settings.input_fit]
    if settings.strategy != "linear":
        words += ["--strategy", settings.strategy]
    if settings.budget is not None:
        words += ["--budget", f"{settings.budget:g}"]
    if settings.balance != "none":
        words += ["--balance", settings.balance]
    if settings.source_data is not None:
        words += ["--source-data", "OTHER"]
    if settings.norm != "source":
        words += ["--norm", settings.norm]
    if settings.batch_size != 32:
        words += ["--batch-size", str(settings.batch_size)]
    if settings.scaling != "standard":
        words += ["--scaling", settings.scaling]
    if settings.calibration != "none":
        words += ["--calibration", settings.calibration]
    if settings.cost is not None:
        alone = isinstance(settings.cost, str) and "\n" not in settings.cost
        words += ["--cost", str(settings.cost) if alone else "COSTS.csv"]
    if settings.prevalence is not None:
        words += ["--prevalence", settings.prevalence]
    if settings.loss != "cross-entropy":
        words += ["--loss", settings.loss]
    if settings.batches != "natural":
        words += ["--batches", settings.batches]
    if settings.task != "classify":
        words += ["--task", settings.task]
    if settings.order is not None:
        words += ["--order", settings.order]
    if settings.final:
        words.append("--final")
    return " ".join(shlex.quote(word) for word in words)


def _figure(name: str, interval: Any, **more: Any) -> KeyFigure:
    label, explanation = _NAMES[name]
    return KeyFigure.of(label, interval, explanation, **more)


def _profile(found: Findings) -> Section:
    profile = found.profile
    median = f"{profile.median_class:,.0f} training examples in the median class"
    figures = [
        KeyFigure(
            "effective number of classes", profile.effective_classes, explanation="as uncertain as so many equal ones",
            digits=1,
        ),
        KeyFigure("imbalance ratio", profile.imbalance_ratio, explanation="largest class over smallest", digits=1),
        KeyFigure("counts as", profile.scale, explanation=median),
    ]  # fmt: skip
    blocks: list[Block | str] = [
        KeyFigures(figures),
        Table(profile.to_frame(), "Examples of each class", bar="train"),
        *given_blocks(found),
    ]
    return answer_section(profile, *blocks, table=False)


def given_blocks(found: Findings) -> list[Block | str]:
    """Return what is to be said of the files: sizes, what was done while loading, leakage, copies, broken ones."""
    profile, target = found.profile, found.target
    blocks: list[Block | str] = []
    if profile.sizes:
        width, height = profile.sizes["width"], profile.sizes["height"]
        kinds = ", ".join(f"{name} {count:,}" for name, count in profile.formats.items())
        modes = ", ".join(f"{name} {count:,}" for name, count in profile.modes.items())
        blocks.append(
            f"Widths from {width[0]:,.0f} to {width[-1]:,.0f} pixels (median {width[2]:,.0f}), heights from "
            f"{height[0]:,.0f} to {height[-1]:,.0f} (median {height[2]:,.0f}). Formats: {kinds}. Colour modes: {modes}."
        )
    if target.notes:
        blocks.append(Notes("What was done while loading", list(target.notes), open=len(target.notes) <= 4))
    if profile.leakage:
        pairs = [(gone, f"is {kept} of {part}") for gone, kept, part in profile.leakage]
        blocks.append(Notes("Left out, because the same picture stands in a later part", pairs))
    if profile.contradictions:
        lines = [", ".join(f"{name} as {label}" for name, label in twins) for twins in profile.contradictions]
        blocks.append(Notes("The same picture under more than one label", lines))
    if profile.unreadable:
        blocks.append(Notes("Unreadable files", list(profile.unreadable.items())))
    if profile.twins:
        blocks.append(Notes("The same picture more than once", [" = ".join(twins) for twins in profile.twins]))
    return blocks


def _metric(answer: MetricChoice) -> Section:
    plot = Figure(answer.plot(), "What models score that never look at an example")
    frame = answer.to_frame()
    return answer_section(answer, plot, Details("Every metric", [Table(frame, limit=len(frame))]), table=False)


def source_section(found: Findings) -> Section:
    """Return which source was taken, and why."""
    source, ranking = found.source, found.ranking
    assert source is not None
    if ranking is not None:
        frame = ranking.to_frame()
        why = (
            f"Each source passed {ranking.n:,} development pictures once. The combined score weighs several scores of "
            f"transferability ({ranking.about}); each interval is over random halves of the pictures. The best "
            f"{ranking.confirmed:,}, which hold the best one on at least 95 % of the halves, were then compared by a "
            "cross-validated head on their best tap. The test part played no role."
        )
        decision = Decision(
            f"{source.name}, trained on {source.card.trained_on}.", why, frame,
            0, "--source NAME (headstart sources lists them)",
        )  # fmt: skip
        plot = Figure(ranking.plot(), "Combined score of each source with its interval; filled: confirmed by a head")
        return answer_section(
            ranking,
            plot,
            decision,
            Details("Every score, and what is known without a look", [Table(ranking.evidence())]),
            table=False,
        )
    card = source.card
    accuracy = "" if card.accuracy is None else f", published top-1 accuracy {card.accuracy:.1%} there"
    size = "" if card.n_parameters is None else f"{card.n_parameters / 1e6:.1f} million weights, "
    height, width = source.preprocessing.size
    what = f"{source.name} ({card.architecture}): {size}{width} × {height} pixels in, licence {card.licence}"
    decision = Decision(
        what + ".",
        "It was named, or is the default: no other was compared.",
        overrule="--source auto (ranks those at hand), --source NAME (headstart sources lists them)",
    )
    return Section("Which source model?", f"{source.name}, trained on {card.trained_on}{accuracy}.", [decision])


def input_fit_section(found: Findings) -> Section:
    """Return how pictures are fitted into the input, and why."""
    answer, source = found.input_fit, found.source
    assert answer is not None and source is not None
    if not answer.n:
        return answer_section(answer, table=False)
    height, width = source.preprocessing.size
    why = (
        f"Measured on {answer.n:,} pictures of the development part: a cross-validated logistic head on the last tap, "
        f"the same folds for each way. The source's own way, {answer.own}, is left only for one whose gain has a "
        "paired 95 % interval above zero. The test part played no role."
    )
    frame = answer.to_frame()
    decision = Decision(
        f"Pictures are fitted into {width} × {height} pixels by {answer.fit}.",
        why,
        frame,
        list(frame.index).index(answer.fit),
        "--input-fit crop|squash|pad",
    )
    return answer_section(answer, decision, table=False)


def _validation(found: Findings) -> Section:
    validation = found.validation
    assert validation is not None
    frame = validation.to_frame()
    decision = Decision(
        f"A multinomial logistic regression on {_SCALED[found.settings.scaling]}, C = {validation.C:g}.",
        f"{validation.method_text()} Only the development part (training and validation) was used; groups and copies "
        f"were never torn apart. Uncorrected, the figure would be {validation.uncorrected:.3f}.",
        frame.drop(columns="chosen"),
        validation.Cs.index(validation.C),
    )
    expected = _figure("macro_f1", validation.estimate)
    return answer_section(validation, KeyFigures([expected]), decision, table=False)


def _evaluation(found: Findings) -> Section:
    evaluation = found.evaluation
    assert evaluation is not None
    metrics, each = evaluation.metrics, evaluation.by_class
    prevalence = evaluation.metrics_frame()["baseline"]["PR-AUC"]
    references: Mapping[str, Any] = {
        "pr_auc": {"reference": float(prevalence), "reference_label": "prevalence"},
        "ece": {"reference": evaluation.ece_floor, "reference_label": "if perfectly calibrated"},
    }
    figures = [_figure(name, metrics[name], **references.get(name, {})) for name in _NAMES]
    blocks = [
        KeyFigures(figures),
        ConfusionMatrix(evaluation.confusion, evaluation.classes, "The test part: given in rows, predicted in columns"),
        ClassBars(
            evaluation.classes, each["precision"], each["recall"], each["f1"], [int(n) for n in each["support"]],
            "Precision, recall and F1 of each class",
        ),
        Details("Each class in figures", [Table(evaluation.to_frame(), limit=50)]),
    ]  # fmt: skip
    return answer_section(evaluation, *blocks, table=False)


def _look_at(found: Findings) -> Section:
    """The most confident mistakes and the likely mislabelled pictures."""
    issues, mistakes = found.issues, found.mistakes
    assert issues is not None
    blocks: list[Block | str] = []
    if mistakes is not None and mistakes.n_found:
        caption = f"The most confident of {mistakes.n_found:,} mistakes on the test part"
        blocks.append(_gallery(found, mistakes, caption))
    if issues.n_found:
        caption = f"The most glaring of {issues.n_found:,} labels of the development part that look wrong out of fold"
        blocks.append(_gallery(found, issues, caption))
    return Section("Which examples should I look at?", issues.headline(), blocks, issues.warnings)


def _gallery(found: Findings, suspects: LabelIssues | Mistakes, caption: str) -> Block:
    """Return pictures (for a table of features, rows) with the label given and the one predicted."""
    pictures = found.target.pictures
    if pictures is None:
        return Table(suspects.to_frame(), caption)
    row_of = {name: row for row, name in enumerate(found.target.ids.tolist())}
    shown = [
        Picture(
            functools.partial(pictures.open, row_of[name], at_least=SIDE),
            [("given", given), ("predicted", f"{predicted} {probability:.2f}")],
            name,
        )
        for name, given, predicted, probability in zip(
            suspects.ids, suspects.given, suspects.predicted, suspects.probability, strict=True
        )
    ]
    return Gallery(shown, caption)
