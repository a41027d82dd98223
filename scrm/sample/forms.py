from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from crm.forms import WorkspaceForm, login_address
from crm.models import User
from scrm.sample.ending import Newcomer

_SECRET = forms.PasswordInput(attrs={"autocomplete": "new-password"})


class StartForm(WorkspaceForm):
    """The form for the name of the new organisation and for its admin.

    The user types the organisation's name twice, so that nobody removes the sample by mistake.
    """

    name = forms.CharField(label=_("Your name"), max_length=200)
    email = forms.EmailField(
        label=_("Your email address"), help_text=_("You log in with this address.")
    )
    password = forms.CharField(label=_("New password"), strip=False, widget=_SECRET)
    password_again = forms.CharField(label=_("Confirm new password"), strip=False, widget=_SECRET)
    confirm = forms.CharField(
        label=_("Confirm the name of the organisation"),
        help_text=_("The sample data is then removed permanently."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": _("Type the name of the organisation here as well.")},
    )

    def __init__(self, *args: Any, admin: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.admin = admin

    @property
    def newcomer(self) -> Newcomer:
        data = self.cleaned_data
        return Newcomer(data["name"], data["email"], data["password"])

    def clean_email(self) -> str:
        return login_address(self.cleaned_data["email"], of=self.admin)

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password, self.admin)
        if self.admin.check_password(password):
            raise ValidationError(_t("This is the old password. Choose a new one."))
        return password

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "confirm" in data and data["confirm"] != data.get("organisation"):
            message = _t("This does not match the name above. Nothing was removed.")
            self.add_error("confirm", message)
        again = data.get("password_again")
        if "password" in data and again is not None and again != data["password"]:
            self.add_error("password_again", _t("This does not match the password above."))
        return data
