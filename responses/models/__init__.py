from responses.models.approval import Approval, ApprovalRequest
from responses.models.campaign import Campaign, CampaignStatement
from responses.models.delivery import Delivery
from responses.models.draft import Draft
from responses.models.event import ResponseEvent
from responses.models.feedback import Feedback
from responses.models.history_view import HistoryView
from responses.models.moderation import Moderation
from responses.models.record_check import Gap, RecordCheck
from responses.models.response import Response
from responses.models.rule import ResponseRule
from responses.models.saved_reply import SavedReply
from responses.models.served_person import ServedPerson
from responses.models.thread_post import ThreadPost
from responses.models.thread_reading import ThreadReading
from responses.models.trouble import Trouble

__all__ = [
    "Approval",
    "ApprovalRequest",
    "Campaign",
    "CampaignStatement",
    "Delivery",
    "Draft",
    "Feedback",
    "Gap",
    "HistoryView",
    "Moderation",
    "RecordCheck",
    "Response",
    "ResponseEvent",
    "ResponseRule",
    "SavedReply",
    "ServedPerson",
    "ThreadPost",
    "ThreadReading",
    "Trouble",
]
