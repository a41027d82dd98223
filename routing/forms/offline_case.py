"""The question to which case an offline contact belongs, if its person has several open cases."""

from __future__ import annotations

from django import forms
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.models import Contact, Profile, User
from routing.forms.base import PlainForm
from routing.models import Case

NO_CASE = "none"
MAX_OFFERED = 10


class CaseChoice(PlainForm):
    """The field that asks for the case. It is shown only after `ask_case` found several.

    which: the id of a case, or NO_CASE for none of the offered ones.
    """

    which = forms.CharField(
        required=False, max_length=20, label=__("Case"), widget=forms.RadioSelect
    )
    asks_case = False
    refuses_cases = False

    def ask_case(
        self, user: User, *, who: Profile | Contact | None, reach: tuple[str, str]
    ) -> None:
        """Set the case that the user chose. If several fit and none was chosen, add an error.

        who: the chosen person. reach: the number and the address, used if no person was chosen.
        """
        data = self.cleaned_data
        if data.get("case"):
            return
        cases = Case.objects.workable_by(user).living().select_related("department", "last_inbound")
        newest = cases.filter(profile__in=_profiles(who, reach)).order_by("-last_inbound_at", "-pk")
        offered = {str(case.pk): case for case in newest[:MAX_OFFERED]}
        if len(offered) < 2:
            return
        self.asks_case = True
        choices = [(key, _described(case)) for key, case in offered.items()]
        widget = self.fields["which"].widget
        assert isinstance(widget, forms.RadioSelect)
        widget.choices = [*choices, (NO_CASE, _("None of these"))]
        chosen = data.get("which", "")
        if chosen in offered:
            data["case"] = offered[chosen]
        elif chosen == NO_CASE:
            self.refuses_cases = True
        else:
            told = _("This person has %d open cases. Choose the one that this is about.")
            self.add_error("which", told % len(offered))


def _profiles(who: Profile | Contact | None, reach: tuple[str, str]) -> list[int]:
    """Return the ids of all profiles of the person."""
    if who is None:
        phone, address = reach
        network, key = ("phone", phone) if phone else ("email", address)
        who = Profile.objects.filter(network=network, key=key).first() if key else None
    if isinstance(who, Profile):
        link = who.link
        if link is None:
            return [who.pk]
        who = link.contact
    if who is None:
        return []
    return list(Profile.objects.of_contact(who).values_list("pk", flat=True))


def _described(case: Case) -> str:
    said = case.last_inbound
    words = Truncator(f"{said.title} {said.text}".strip()).chars(60) if said else ""
    parts = (f"#{case.pk}", str(case.department), f"“{words}”" if words else "")
    return " · ".join(part for part in parts if part)
