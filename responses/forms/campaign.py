from __future__ import annotations

from typing import Any

from django import forms
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from crm.models import Department, User
from listening.forms import TermsField
from listening.models import Topic
from responses.models import Campaign
from responses.models.campaign import topic_name

_DAY = {"type": "date"}


def departments_to_campaign_for(user: User) -> list[Department]:
    """Return the departments in whose name a user may start a campaign.

    These are the departments that the user leads, because a campaign creates a topic.
    """
    return list(Department.objects.led_by(user))


class CampaignForm(forms.ModelForm):  # type: ignore[type-arg]
    words = TermsField(
        label=_("Own hashtags and links"),
        required=False,
        strip=False,
        help_text=_(
            "One per line, such as #SkywardSummer or skyward.example/summer. They become a topic "
            "that finds mentions of the campaign."
        ),
    )

    class Meta:
        model = Campaign
        fields = ["name", "aim", "department", "owner", "starts_on", "ends_on"]
        labels = {
            "aim": _("Goal"),
            "department": _("Department"),
            "starts_on": _("From"),
            "ends_on": _("Until (optional)"),
        }
        widgets = {
            "aim": forms.Textarea(attrs={"rows": 3}),
            "starts_on": forms.DateInput(format="%Y-%m-%d", attrs=_DAY),
            "ends_on": forms.DateInput(format="%Y-%m-%d", attrs=_DAY),
        }

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        owner, department = self.fields["owner"], self.fields["department"]
        assert isinstance(owner, forms.ModelChoiceField)
        assert isinstance(department, forms.ModelChoiceField)
        owner.queryset = User.objects.active().order_by("name")
        owner.empty_label = None
        mine = [department.pk for department in departments_to_campaign_for(user)]
        its = self.instance.department_id
        department.queryset = Department.objects.filter(Q(pk__in=mine) | Q(pk=its))
        department.empty_label = None
        self.initial.setdefault("words", self.instance.words)

    def clean_words(self) -> list[str]:
        return list(dict.fromkeys(as_term(word) for word in self.cleaned_data["words"]))

    def clean(self) -> dict[str, Any]:
        typed = super().clean() or {}
        first, last = typed.get("starts_on"), typed.get("ends_on")
        if first and last and last < first:
            self.add_error("ends_on", _t("The end is before the start."))
        # Topic names are unique, so a name that is taken is reported before anything is saved.
        name = topic_name(typed.get("name", ""))
        if typed.get("words") and not self.instance.topic_id and _is_taken(name):
            message = _t(
                "A topic “%(name)s” already exists, so none could be created. Nothing was saved."
            )
            self.add_error("name", message % {"name": name})
        return typed

    def keep(self, *, by: User) -> Campaign:
        """Save the campaign, and create or change its topic in the same transaction."""
        with transaction.atomic():
            campaign: Campaign = self.save()
            campaign.listen_for(self.cleaned_data["words"], by=by)
        return campaign


def _is_taken(name: str) -> bool:
    return Topic.objects.filter(name=name).exists()


def as_term(word: str) -> str:
    """Remove the scheme, “www.” and the last slash from a link.

    The topic then finds the link in all its spellings.
    """
    for start in ("https://", "http://"):
        word = word.removeprefix(start)
    return word.removeprefix("www.").rstrip("/") or word


class CampaignField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A form field for the campaign of a post.

    The form must call `among` to offer the running campaigns that the user may see.
    """

    def __init__(self) -> None:
        super().__init__(
            Campaign.objects.none(),
            label=_("Campaign"),
            required=False,
            empty_label=_("no campaign"),
        )

    def among(self, user: User) -> None:
        self.queryset = Campaign.objects.visible_to(user).running()


class CountInForm(forms.Form):
    campaign = CampaignField()

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["campaign"]
        assert isinstance(field, CampaignField)
        field.among(user)
