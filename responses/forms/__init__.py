from responses.forms.by_hand import ByHandForm
from responses.forms.close_without_reply import BulkCloseForm, CloseWithoutReplyForm
from responses.forms.composing import (
    Composing,
    NoteForm,
    NothingForm,
    Preview,
    ReplyForm,
    StatementForm,
)
from responses.forms.correction import CorrectForm, TakeDownForm
from responses.forms.held import EditForm, MarkSentForm, PauseForm, ReleaseForm, SendBackForm
from responses.forms.history import JudgeForm
from responses.forms.moderation import ModerationForm
from responses.forms.places import place_name
from responses.forms.setup import ExampleForms, RuleForm, SavedReplyForm

__all__ = [
    "BulkCloseForm",
    "ByHandForm",
    "CloseWithoutReplyForm",
    "Composing",
    "CorrectForm",
    "EditForm",
    "ExampleForms",
    "JudgeForm",
    "MarkSentForm",
    "ModerationForm",
    "NoteForm",
    "NothingForm",
    "PauseForm",
    "Preview",
    "ReleaseForm",
    "ReplyForm",
    "RuleForm",
    "SavedReplyForm",
    "SendBackForm",
    "StatementForm",
    "TakeDownForm",
    "place_name",
]
