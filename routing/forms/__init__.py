"""Forms of routing's pages: they validate what users type and explain what is wrong."""

from routing.forms.case import (
    AssignForm,
    GroupForm,
    HandOverForm,
    NothingForm,
    PriorityForm,
    ReasonForm,
    SnoozeForm,
    TagsForm,
)
from routing.forms.department import DepartmentForm, MemberForm
from routing.forms.inbox import InboxForm, SaveViewForm
from routing.forms.issue import CaseNumbersForm, IssueForm
from routing.forms.memberships import MembershipsForm
from routing.forms.offline import OfflineForm
from routing.forms.rule import RuleForm

__all__ = [
    "AssignForm",
    "CaseNumbersForm",
    "DepartmentForm",
    "GroupForm",
    "HandOverForm",
    "InboxForm",
    "IssueForm",
    "MemberForm",
    "MembershipsForm",
    "NothingForm",
    "OfflineForm",
    "PriorityForm",
    "ReasonForm",
    "RuleForm",
    "SaveViewForm",
    "SnoozeForm",
    "TagsForm",
]
