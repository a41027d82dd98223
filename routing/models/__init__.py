from routing.models.call_back import CallBack
from routing.models.case import Case, CaseConversation
from routing.models.case_event import CaseEvent
from routing.models.decision import Decision
from routing.models.issue import Issue
from routing.models.item_decision import ItemDecision
from routing.models.presence import Presence
from routing.models.rule import RoutingRule, RuleRevision
from routing.models.saved_view import SavedView
from routing.models.sla import SlaPolicy

__all__ = [
    "CallBack",
    "Case",
    "CaseConversation",
    "CaseEvent",
    "Decision",
    "Issue",
    "ItemDecision",
    "Presence",
    "RoutingRule",
    "RuleRevision",
    "SavedView",
    "SlaPolicy",
]
