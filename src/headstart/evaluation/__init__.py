"""Did it help, how good is it, and which examples should a person look at?"""

from headstart.evaluation.heldout import Evaluation, evaluate
from headstart.evaluation.suspects import LabelIssues, Mistakes, confident_mistakes, label_issues
from headstart.evaluation.validation import CrossValidation, cross_validate
from headstart.evaluation.verdict import TransferVerdict, transfer_verdict

__all__ = [
    "CrossValidation",
    "Evaluation",
    "LabelIssues",
    "Mistakes",
    "TransferVerdict",
    "confident_mistakes",
    "cross_validate",
    "evaluate",
    "label_issues",
    "transfer_verdict",
]
