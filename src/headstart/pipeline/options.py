"""What a person may ask of a fit, and what does not go together."""

from __future__ import annotations

from typing import Any

from headstart.pipeline import deploying
from headstart.pipeline.norm_ways import checked
from headstart.results import HeadstartError

STRATEGIES = ("linear", "frozen", "auto")


def checked_options(
    *, input_fit: str, strategy: str, balance: str, final: bool, scaling: str, trials: int | None,
    with_source_data: bool, norm: str, batch_size: int, calibration: str, cost: Any, prevalence: str | float | None,
    loss: str, batches: str,
) -> str:  # fmt: skip
    """Return the way of normalization by its one name; see ``headstart.fit`` for the options.

    Raises
    ------
    HeadstartError
        If there is no such option, or two do not go together.
    """
    from headstart.imbalance.balance import NONE, WAYS
    from headstart.sources import FITS
    from headstart.training.scaling import checked_scaling

    if input_fit not in {"auto", *FITS}:
        raise HeadstartError(f"no input fit {input_fit!r}: choose auto, crop, squash or pad")
    if strategy not in STRATEGIES:
        raise HeadstartError(f"no strategy {strategy!r}: choose {', '.join(STRATEGIES)}")
    if balance not in ("auto", *WAYS):
        raise HeadstartError(f"no balance {balance!r}: choose auto, {', '.join(WAYS)}")
    if final and strategy != "linear":
        raise HeadstartError("final=True goes with strategy='linear' only: leave one of the two out")
    if checked_scaling(scaling) != "standard" and balance != NONE:
        raise HeadstartError(f"scaling={scaling!r} goes without balance only: leave one of the two out")
    if final and balance != NONE:
        raise HeadstartError("final=True goes without balance only: leave one of the two out")
    deploying.check_options(strategy, balance, calibration, cost, prevalence, loss, batches)
    if trials is not None and trials < 1:
        raise HeadstartError(f"trials={trials}: give 1 or more")
    if with_source_data and (strategy != "linear" or final or balance != NONE or scaling != "standard"):
        raise HeadstartError(
            "source_data goes with strategy='linear' alone, without balance, scaling and final: leave one out"
        )
    return checked(norm, batch_size, strategy=strategy)
