"""``fit`` for ranks, numbers, labels and heads: the same questions, features and run folder as for classes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.pipeline.deciding import columns_of, decide
from headstart.pipeline.extracting import choose_engine_for, features
from headstart.pipeline.findings import Findings, Tell
from headstart.pipeline.kinds import Chosen, Kind, kind_of
from headstart.pipeline.model import Model
from headstart.pipeline.opening import open_run
from headstart.pipeline.plan import Plan, Settings
from headstart.pipeline.run import Run
from headstart.pipeline.writing import write_run
from headstart.results.team import team

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from headstart.evaluation import HeadChoice, Scored
    from headstart.results import Answer
    from headstart.sources import Source
    from headstart.transferability.known import Known

N_FOLDS = 5
_TASKS = {"ordinal": "ordinal", "regress": "regression", "multilabel": "multilabel"}
_SCORED = 4000  # rows that the score of transferability sees


@dataclasses.dataclass
class Predicted(Findings):
    """What a fit of another task has found so far.

    ``table`` is what the head gives of each row and ``said`` what is decided, (n, m) as ``Target.values``: out of fold
    in the development part, by the head in the test part.
    """

    kind: Kind | None = None
    known: Known | None = None
    head: HeadChoice | None = None
    decision: Answer | None = None
    scored: Scored | None = None
    table: NDArray[np.float64] | None = None
    said: NDArray[np.float64] | None = None

    def answers(self) -> list[Answer]:
        """Return the answers found, in order."""
        found = (
            self.profile, self.ranking, self.input_fit, self.known, self.head, self.decision, self.verdict, self.scored
        )  # fmt: skip
        return [answer for answer in found if answer is not None]

    def names(self) -> tuple[str, ...]:
        """Return the names of the columns that the model gives."""
        assert self.kind is not None
        return self.kind.columns

    def metrics(self) -> Mapping[str, Any]:
        """Return the metrics on the test part."""
        return dict(self.scored.metrics) if self.scored else {}

    def headline(self) -> str:
        """Return what the run found, in one sentence."""
        assert self.head is not None
        return (self.scored or self.head).headline()

    def page(self, plan: Plan) -> str:
        """Return the report, as HTML."""
        from headstart.pipeline.page_predicted import predicted_page

        return predicted_page(self, plan)

    def predictions(self) -> pd.DataFrame:
        """Return a table of what was predicted for each row."""
        import pandas as pd

        target = self.target
        assert self.table is not None and self.said is not None
        how = {"train": "out of fold", "val": "out of fold", "test": "held out", "": "left out"}
        made = columns_of(target.task, self.table, self.said, target.outputs, self.names())
        return pd.DataFrame(
            {
                "id": target.ids, "label": target.labels, "split": target.split,
                "how": [how[part] for part in target.split], **made,
                "reason": [target.left_out.get(name, "") for name in target.ids],
            }
        )  # fmt: skip


def fit_prediction(
    data: Any,
    *,
    task: str,
    out: str | Path | None = None,
    source: str | Path | Source = "lite0",
    architecture: str | None = None,
    image: str | None = None,
    label: Any = None,
    order: str | None = None,
    split: str | None = None,
    group: str | None = None,
    test_size: float = 0.2,
    input_fit: str = "auto",
    final: bool = False,
    seed: int = 0,
    max_unreadable: float = 0.1,
    backend: str = "auto",
    device: str = "auto",
    cache_size: int | None = None,
    quiet: bool = True,
    tell: Tell | None = None,
) -> Run:
    """Make a checked, usable model of ranks, numbers or several labels; see ``headstart.fit`` for the options.

    The head reads the last tap. Its penalty, what competes with it, and the points at which it decides are chosen on
    grouped folds of the development part; a head on handmade descriptors, chosen in the same way, is the baseline that
    carries nothing over. Where transfer hurts, the baseline is handed back. Pictures are fitted into the input, and
    ``source="auto"`` ranks, by the strata of the rows (ranges of numbers, the rarest label), which stand for classes.

    Parameters
    ----------
    task : {"ordinal", "regress", "multilabel"}

    Raises
    ------
    HeadstartError
        In one line, what is wrong with the data, the source or the run folder, and the way out.
    """
    from headstart.data import load_target
    from headstart.data.values_profile import values_profile
    from headstart.features.cache import DEFAULT_LIMIT
    from headstart.pipeline.choice import candidates, choose_source

    ours = team()
    if not ours.leads:
        quiet, tell = True, None
    started = time.perf_counter()
    target = load_target(
        data, image=image, label=label, split=split, group=group, test_size=test_size, random_state=seed,
        max_unreadable=max_unreadable, task=_TASKS[task], order=order, quiet=quiet,
    )  # fmt: skip
    settings = Settings(
        source=getattr(source, "name", str(source)), architecture=architecture, input_fit=input_fit, final=final,
        seed=seed, backend=backend, device=device, task=task, order=order,
    )  # fmt: skip
    sources = candidates(source, architecture) if target.pictures is not None else []
    opened = open_run(out, settings, target, sources, lambda: choose_engine_for(target, sources[0], settings))
    folder, plan = opened.folder, opened.plan
    if opened.is_finished:
        return Run(folder)
    found = Predicted(target, settings, values_profile(target), kind=kind_of(target))
    found.times["load_seconds"] = round(time.perf_counter() - started, 3)
    tell = tell or (lambda answer: None)
    tell(found.profile)
    limit = DEFAULT_LIMIT if cache_size is None else cache_size
    if sources:
        choose_source(found, sources, plan.choice, tell, limit, quiet)
    X = features(found, plan, tell, limit, quiet)
    model = predicted_model(found, X, tell, quiet)
    if ours.leads:
        with found.timed("write"):
            write_run(folder, plan, found, model)
        opened.close()
    ours.together()
    return Run(folder)


def predicted_model(found: Predicted, X: NDArray[np.floating], tell: Tell, quiet: bool) -> Model:
    """Choose, fit and measure the head on features (n, d) of all rows, NaN where a row cannot be read."""
    from headstart.data.strata import folds
    from headstart.features.graph import LAST

    target, kind, seed = found.target, found.kind, found.settings.seed
    assert kind is not None
    development, test = target.rows("train", "val"), target.rows("test")
    sides = folds(target, development, n_folds=N_FOLDS, random_state=seed)
    with found.timed("cross_validation"):
        chosen = kind.choose(X[development], development, sides, seed)
    handmade = _handmade(found, quiet) if target.pictures is not None else None
    found.known = _known(found, X, handmade)
    found.head, found.decision = chosen.answer, chosen.rule
    parts = ((found.source, (LAST,)),) if found.source else ()
    plain = None
    if handmade is not None:
        with found.timed("baseline"):
            plain = kind.choose(handmade[development], development, sides, seed)
        found.verdict = _verdict(found, chosen, plain)
    if plain is not None and found.verdict is not None and found.verdict.answer == "hurts":
        assert handmade is not None
        X, chosen, parts = handmade, plain, ()
        found.head, found.decision = chosen.answer, chosen.rule
    for answer in (found.known, found.head, found.decision, found.verdict):
        if answer is not None:
            tell(answer)
    rule = kind.rule_of(chosen)
    head = chosen.fit(X[development], kind.values[development])
    model = Model(parts, head, handmade=not parts and target.pictures is not None, rule=rule)
    usable = np.isfinite(X).all(axis=1)
    table = np.full((len(target), len(kind.columns)), np.nan)
    table[usable] = model.predict_proba(X[usable])
    table[development] = chosen.table
    said = decide(target.task, table, target.outputs, rule)
    said[development] = kind.out_of_fold(chosen)
    if len(test):
        with found.timed("evaluation"):
            found.scored = kind.evaluate(test, table[test], said[test], development, seed)
        tell(found.scored)
    found.table, found.said = table, said
    if found.settings.final:
        everything = target.rows("train", "val", "test")
        model = dataclasses.replace(model, head=chosen.fit(X[everything], kind.values[everything]))
    return model


def _handmade(found: Predicted, quiet: bool) -> NDArray[np.float32]:
    """Return handmade descriptors (n, d) of all pictures, NaN where one cannot be read."""
    from headstart.features.handmade import handmade_features
    from headstart.pipeline.extracting import readable
    from headstart.results.terminal import progress

    rows = readable(found.target)
    assert found.target.pictures is not None
    with found.timed("handmade"), progress("handmade features", len(rows), quiet=quiet) as advance:
        vectors = handmade_features(found.target.pictures, rows, advance=advance)
    result = np.full((len(found.target), vectors.shape[1]), np.nan, dtype=np.float32)
    result[rows] = vectors
    return result


def _known(found: Predicted, X: NDArray[np.floating], handmade: NDArray[np.float32] | None) -> Known:
    from headstart.data.splits import sample_rows
    from headstart.transferability.known import Known

    target, kind = found.target, found.kind
    assert kind is not None
    rows = sample_rows(target.y, target.rows("train", "val"), _SCORED, np.random.default_rng(found.settings.seed))
    names = {found.source.name if found.source else "the features": X, "handmade descriptors": handmade}
    scores = {name: kind.evidence(table[rows], rows) for name, table in names.items() if table is not None}
    return Known(scores=scores, n=len(rows))


def _verdict(found: Predicted, chosen: Chosen, plain: Chosen) -> Any:
    from headstart.evaluation import transfer_verdict

    kind, rows = found.kind, found.target.rows("train", "val")
    assert kind is not None
    ours, theirs = (kind.by_picture(rows, kind.out_of_fold(one)) for one in (chosen, plain))
    # Nothing random enters a head but the folds, which both sides share: each row is given twice.
    return transfer_verdict(
        np.vstack([ours, ours]), np.vstack([theirs, theirs]), groups=found.target.groups[rows],
        random_state=found.settings.seed,
    )  # fmt: skip
