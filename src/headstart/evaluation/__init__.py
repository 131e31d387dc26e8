"""Did it help, how good is it, and which examples should a person look at?"""

from headstart.evaluation.calibrate import Calibrating, calibrate
from headstart.evaluation.head_choice import HeadChoice
from headstart.evaluation.heldout import Evaluation, evaluate
from headstart.evaluation.scored import Scored
from headstart.evaluation.scoring import score_heads, score_labels, score_numbers, score_ordered
from headstart.evaluation.suspects import LabelIssues, Mistakes, confident_mistakes, label_issues
from headstart.evaluation.validation import CrossValidation, cross_validate
from headstart.evaluation.verdict import TransferVerdict, transfer_verdict

__all__ = [
    "Calibrating",
    "CrossValidation",
    "Evaluation",
    "HeadChoice",
    "LabelIssues",
    "Mistakes",
    "Scored",
    "TransferVerdict",
    "calibrate",
    "confident_mistakes",
    "cross_validate",
    "evaluate",
    "label_issues",
    "score_heads",
    "score_labels",
    "score_numbers",
    "score_ordered",
    "transfer_verdict",
]
