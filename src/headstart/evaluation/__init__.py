"""Did it help, how good is it, and which examples should a person look at?"""

from headstart.evaluation.calibrate import Calibrating, calibrate
from headstart.evaluation.heldout import Evaluation, evaluate
from headstart.evaluation.suspects import LabelIssues, Mistakes, confident_mistakes, label_issues
from headstart.evaluation.validation import CrossValidation, cross_validate
from headstart.evaluation.verdict import TransferVerdict, transfer_verdict

__all__ = [
    "Calibrating",
    "CrossValidation",
    "Evaluation",
    "LabelIssues",
    "Mistakes",
    "TransferVerdict",
    "calibrate",
    "confident_mistakes",
    "cross_validate",
    "evaluate",
    "label_issues",
    "transfer_verdict",
]
