from responses.models.approval import Approval
from responses.models.decision import Decision
from responses.models.delivery import Delivery
from responses.models.event import ResponseEvent
from responses.models.feedback import Feedback
from responses.models.response import Response
from responses.models.rule import ResponseRule

__all__ = [
    "Approval",
    "Decision",
    "Delivery",
    "Feedback",
    "Response",
    "ResponseEvent",
    "ResponseRule",
]
