"""The forms of the pages in `routing`."""

from routing.forms.bulk import (
    BulkAssignForm,
    BulkForm,
    BulkGroupForm,
    BulkSnoozeForm,
    BulkTagForm,
)
from routing.forms.case import (
    AssignForm,
    CallBackForm,
    CaseVerbForm,
    GroupForm,
    PriorityForm,
    ReasonForm,
    SnoozeForm,
    TagsForm,
    TransferForm,
    UnaskedReasonForm,
)
from routing.forms.department import DepartmentForm, MemberForm
from routing.forms.done import BulkDoneForm, DoneForm, DoneReasonsForm
from routing.forms.inbox import InboxForm, SaveViewForm
from routing.forms.issue import CaseNumbersForm, IssueForm
from routing.forms.memberships import MembershipsForm
from routing.forms.mute import MuteForm
from routing.forms.offline import OfflineForm
from routing.forms.people import (
    AddFollowerForm,
    ParticipantForm,
    RemoveFollowerForm,
    RemoveParticipantForm,
)
from routing.forms.procedure import ProcedureForm
from routing.forms.rule import RuleForm

__all__ = [
    "AddFollowerForm",
    "AssignForm",
    "BulkAssignForm",
    "BulkDoneForm",
    "BulkForm",
    "BulkGroupForm",
    "BulkSnoozeForm",
    "BulkTagForm",
    "CallBackForm",
    "CaseNumbersForm",
    "CaseVerbForm",
    "DepartmentForm",
    "DoneForm",
    "DoneReasonsForm",
    "GroupForm",
    "InboxForm",
    "IssueForm",
    "MemberForm",
    "MembershipsForm",
    "MuteForm",
    "OfflineForm",
    "ParticipantForm",
    "PriorityForm",
    "ProcedureForm",
    "ReasonForm",
    "RemoveFollowerForm",
    "RemoveParticipantForm",
    "RuleForm",
    "SaveViewForm",
    "SnoozeForm",
    "TagsForm",
    "TransferForm",
    "UnaskedReasonForm",
]
