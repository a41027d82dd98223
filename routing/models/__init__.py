from routing.models.case import Case
from routing.models.case_conversation import CaseConversation
from routing.models.case_event import CaseEvent
from routing.models.department import Department, Membership
from routing.models.issue import Issue
from routing.models.notice import Notice
from routing.models.presence import Presence
from routing.models.rule import RoutingRule, RuleRevision
from routing.models.saved_view import SavedView
from routing.models.sla import SlaPolicy

__all__ = [
    "Case",
    "CaseConversation",
    "CaseEvent",
    "Department",
    "Issue",
    "Membership",
    "Notice",
    "Presence",
    "RoutingRule",
    "RuleRevision",
    "SavedView",
    "SlaPolicy",
]
