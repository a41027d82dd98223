from routing.models.bystander import BystanderReply
from routing.models.calendar import Calendar, CalendarRevision, CalendarUse
from routing.models.call_back import CallBack
from routing.models.case import Case
from routing.models.case_clock import CaseClock
from routing.models.case_conversation import CaseConversation
from routing.models.case_event import CaseEvent
from routing.models.case_link import CaseFollower, CaseLink, CaseParticipant
from routing.models.decision import Decision
from routing.models.done_reason import DoneReason
from routing.models.issue import Issue
from routing.models.item_decision import ItemDecision
from routing.models.mute import Mute
from routing.models.presence import Presence
from routing.models.procedure import Procedure
from routing.models.recorded_only import RecordedOnly
from routing.models.rule import RoutingRule, RuleRevision
from routing.models.saved_view import SavedView
from routing.models.target import ResponseTarget

__all__ = [
    "BystanderReply",
    "Calendar",
    "CalendarRevision",
    "CalendarUse",
    "CallBack",
    "Case",
    "CaseClock",
    "CaseConversation",
    "CaseEvent",
    "CaseFollower",
    "CaseLink",
    "CaseParticipant",
    "Decision",
    "DoneReason",
    "Issue",
    "ItemDecision",
    "Mute",
    "Presence",
    "Procedure",
    "RecordedOnly",
    "ResponseTarget",
    "RoutingRule",
    "RuleRevision",
    "SavedView",
]
