"""A form field for the other people whom a public answer serves too."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from crm.models import User
from responses.compose import Place
from responses.forms.places import PUBLIC
from responses.served import Candidate, candidates
from routing.models import Case
from scrm.web.form_fields import set_choices

WROTE_AGAIN = _(
    "Someone whom you chose has written again, or can no longer be chosen. Nothing was sent. Read "
    "the thread, then choose again."
)


class ServeFields(forms.Form):
    """The people of the public thread. The field exists only if other people wrote there."""

    serves = forms.MultipleChoiceField(
        label=_("This answer also serves"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": WROTE_AGAIN},
        help_text=_("It is shown on their timelines, and their open cases count as answered."),
    )

    def offer_people(self, case: Case, user: User) -> None:
        self.people = {each.value: each for each in candidates(case, user)}
        choices = [(value, _label(each)) for value, each in self.people.items()]
        set_choices(self, "serves", choices)
        if not self.people:
            del self.fields["serves"]

    def served_at(self, place: Place) -> list[Candidate]:
        """Return the chosen people; nobody if the answer is private or a quote.

        A quote is published outside of the thread.
        """
        if place.visibility != PUBLIC or place.quote:
            return []
        return [self.people[value] for value in self.cleaned_data.get("serves", ())]

    def check_people(self, place: Place) -> None:
        """Add a form error for each person who did not write in the thread of the answer."""
        there = place.conversation
        for person in self.served_at(place):
            if there is None or person.thread != (there.network, there.thread_key):
                why = _t("%(name)s wrote in another thread and would not see this answer.")
                self.add_error("serves", why % {"name": person.profile})


def _label(person: Candidate) -> str:
    if person.case is None:
        return str(person.profile)
    return _t("%(name)s (open case)") % {"name": person.profile}
