from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from crm.models import Account, User
from listening.header_field import HeadersField
from listening.matching import MAX_TERMS, validate_terms
from listening.models import Source, Topic
from listening.models.source import EVERYTHING
from listening.sensitivity import Sensitivity
from listening.webhooks import KIND
from scrm.channels.base import ChannelError, Found
from scrm.channels.registry import channel, kinds
from scrm.web.form_fields import set_choices, set_empty_label, set_queryset
from scrm.web.usd_field import UsdField

LISTS = ("any_of", "all_of", "none_of")


class TermsField(forms.CharField):
    """A list of words and phrases; users type one per line, or separate them by commas.

    Duplicates are removed.
    """

    widget = forms.Textarea(attrs={"rows": 6})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        text = str(value or "")
        # Validate before the split: the validators find NUL characters in a text but not in a list.
        self.run_validators(text)
        terms: dict[str, None] = {}
        errors: list[str] = []
        for number, line in enumerate(text.splitlines(), start=1):
            for term in filter(None, map(str.strip, line.split(","))):
                terms[term] = None
                errors += [
                    _t("Line %(number)d: %(error)s") % {"number": number, "error": error}
                    for error in validate_terms([term])
                ]
        if len(terms) > MAX_TERMS:
            errors += validate_terms(list(terms))
        if errors:
            raise ValidationError(errors)
        return list(terms)

    def validate(self, value: Any) -> None:
        """Do nothing, because `to_python` has already validated the terms.

        Its error messages contain the line numbers.
        """


class TopicForm(forms.ModelForm):  # type: ignore[type-arg]
    """A topic and its words.

    seen: the number of the topic revision that the form showed. If another user has changed the
    words since then, and the typed words differ from the stored words, the form is refused once and
    shows the conflict. The next submission replaces the stored words.
    """

    any_of = TermsField(label=_("Any of these terms"), required=False, strip=False)
    all_of = TermsField(label=_("All of these terms"), required=False, strip=False)
    none_of = TermsField(label=_("None of these terms"), required=False, strip=False)
    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Topic
        fields = ("name", "purpose", "owner", "is_brand", "sensitivity")
        labels = {
            "purpose": _("Purpose"),
            "is_brand": _("Brand topic"),
            "sensitivity": _("Sensitivity"),
        }
        help_texts = {
            "owner": _("The person responsible for this topic."),
            "is_brand": _(
                "Our name, or another word that most messages to us contain. A brand topic does "
                "not show that two messages are about the same matter."
            ),
            "sensitivity": _(
                "Cases about this topic become urgent, show a procedure, and notify the person on "
                "call at once."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_stale = False
        _choose_owner(self)
        set_choices(self, "sensitivity", [("", _("none")), *Sensitivity.choices])
        self.fields["any_of"].help_text = _t(
            "One word or phrase per line, or separated by commas. Only whole words match; case and "
            "accents are ignored; @name and #tag match only with their sign."
        )
        current = self.instance.current
        if current:
            self.initial.update({name: getattr(current, name) for name in LISTS})
            self.initial["seen"] = current.number

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not (data.get("any_of") or data.get("all_of")) and not self.errors:
            self.add_error("any_of", _t("Enter a term here or under “All of these terms”."))
        current = self.instance.current
        # The Django view has locked the topic: nobody can change it between this check and the
        # save.
        if current and data.get("seen") != current.number and self.words != words_of(self.instance):
            # Saving would replace words of another user that this user has not seen.
            self.is_stale = True
            raise ValidationError(
                _t(
                    "%(who)s changed the terms while you were editing. Nothing was saved; your "
                    "text is kept below. Open the topic in a second tab to compare, then save "
                    "again to replace the stored terms."
                )
                % {"who": current.made_by}
            )
        return data

    @property
    def words(self) -> dict[str, list[str]]:
        return {name: self.cleaned_data.get(name, []) for name in LISTS}

    def keep(self, *, by: User) -> Topic:
        """Save the topic.

        A new revision is created only if the words of the topic changed.
        """
        topic: Topic = self.save()
        if self.words != words_of(topic):
            words = self.words
            topic.revise(
                any_of=words["any_of"], all_of=words["all_of"], none_of=words["none_of"], by=by
            )
        return topic


def words_of(topic: Topic) -> dict[str, list[str]]:
    current = topic.current
    return {name: getattr(current, name) if current else [] for name in LISTS}


class AddressForm(forms.Form):
    """Step 1 of adding a source: enter an address, or choose an account.

    Only accounts with which scrm can listen are offered.
    """

    address_field = "address"
    address = forms.CharField(
        label=_("Address of a site or feed"),
        required=False,
        max_length=1000,
        help_text=_("Paste any page of the site, such as blog.example. scrm finds its feed."),
        widget=forms.TextInput(attrs={"autofocus": True, "inputmode": "url"}),
    )
    account = forms.ModelChoiceField(
        label=_("Or listen with one of our accounts"),
        queryset=Account.objects.none(),
        required=False,
        empty_label=_("no account: use the address above"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        with_listener = [kind for kind in kinds() if channel(kind).listener]
        accounts = Account.objects.active().filter(kind__in=with_listener)
        set_queryset(self, "account", accounts)
        if not accounts:
            del self.fields["account"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not (data.get("address") or data.get("account") or self.errors):
            self.add_error("address", _t("Enter an address."))
        return data

    @property
    def kind(self) -> str:
        account = self.cleaned_data.get("account")
        return account.kind if account else "feed"

    @property
    def target(self) -> str:
        """The address at which the listener looks for feeds or other things to fetch."""
        return str(self.cleaned_data["address"])


UNSTORED = ("daily_limit", "new_address", "headers")
"""Fields of `SettingsForm` that are stored in other columns."""


class SettingsForm(forms.ModelForm):  # type: ignore[type-arg]
    """The settings of a source; a stored source of a paid network also has a limit per day."""

    class Meta:
        model = Source
        fields = ("name", "stance", "rhythm", "owner")
        widgets = {"stance": forms.RadioSelect}
        labels = {"stance": _("Type of source")}
        help_texts = {
            "rhythm": _(
                "300 means five minutes. The minimum is 10. "
                "In its first 24 hours a source is fetched at least every 45 seconds."
            )
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rhythm = forms.IntegerField(
            label=_("Fetch interval (seconds)"),
            initial=300,
            min_value=10,
            max_value=7 * 86_400,
            help_text=self.fields["rhythm"].help_text,
        )
        self.fields["rhythm"] = rhythm
        if self.instance.pk and not self.instance.is_fetched:
            del self.fields["rhythm"]
        _choose_owner(self)
        if self.instance.pk and self.instance.channel.prices:
            self.fields["daily_limit"] = UsdField(
                label=_("Limit per day (USD)"),
                initial=self.instance.daily_budget,
                help_text=_("Leave empty to use the budget of the account only."),
            )
        if self.instance.pk and self.instance.channel.takes_headers:
            self.fields["headers"] = HeadersField(stored=_stored_headers(self.instance) or {})
        if self.instance.sealed_secrets:
            self.fields["new_address"] = forms.CharField(
                label=_("New address, with its token"),
                required=False,
                max_length=1000,
                widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
                help_text=_("If the token was replaced: paste the whole address. Leave empty to "
                            "keep the stored token, which is never shown."),
            )  # fmt: skip

    def clean_new_address(self) -> str:
        typed: str = self.cleaned_data["new_address"]
        if typed and not self.instance.replace_secrets(typed):
            raise ValidationError(
                _("Only the token may differ from %(address)s.")
                % {"address": self.instance.address}
            )
        return typed

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "daily_limit" in data:
            self.instance.daily_budget = data["daily_limit"]
        # Headers that no key decrypts now are not shown. The field is then empty: they stay.
        if data.get("headers") or (
            "headers" in data and _stored_headers(self.instance) is not None
        ):
            self.instance.headers = data["headers"]
        return data


def _stored_headers(source: Source) -> dict[str, str] | None:
    """Return the headers of a source; None if no key decrypts them."""
    try:
        return source.headers
    except ChannelError:
        return None


class WebhookForm(SettingsForm):
    """A new source whose items are sent to us.

    address: the UUID in the URL of the source. The form contains it from the beginning, so that
    submitting the form twice creates one source.
    """

    address = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["rhythm"]
        self.initial.setdefault("address", uuid.uuid4())
        self.initial.setdefault("stance", Source.Stance.FOR_US)

    def keep(self) -> tuple[Source, bool]:
        """Save the source; return it, and whether it is new."""
        facts = {name: self.cleaned_data[name] for name in ("name", "stance", "owner")}
        now = timezone.now()
        return Source.objects.get_or_create(
            kind=KIND,
            address=str(self.cleaned_data["address"]),
            account=None,
            defaults={**facts, "cases_since": now - timedelta(days=1), "created_at": now},
        )


class SourceForm(SettingsForm):
    """Step 2 of adding a source: choose one of the addresses found in step 1, and the settings."""

    SINCE = (
        ("day", _("Items of the last 24 hours")),
        ("none", _("None: only new items")),
        ("3 days", _("Items of the last 3 days")),
        ("all", _("All items shown")),
    )
    found = forms.ChoiceField(label=_("Feed or account"), widget=forms.RadioSelect)
    since = forms.ChoiceField(
        label=_("Items that may open cases"),
        choices=SINCE,
        initial="day",
        widget=forms.RadioSelect,
        help_text=_("The other items are stored and matched, and can be routed later."),
    )

    def __init__(
        self, *args: Any, found: list[Found], kind: str, account: Account | None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.kind, self.account = kind, account
        self.places = {place.address: place for place in found}
        choices = [(place.address, place.title or place.address) for place in found]
        set_choices(self, "found", choices)
        self.initial.setdefault("found", found[0].address)
        self.initial.setdefault("name", found[0].title[:200])
        if not Topic.objects.active().exists():  # without a topic, no item can match
            self.initial.setdefault("stance", Source.Stance.FOR_US)

    def clean_found(self) -> str:
        address: str = self.cleaned_data["found"]
        duplicates = Source.objects.filter(kind=self.kind, address=address, account=self.account)
        if other := duplicates.first():
            raise ValidationError(
                _t("“%(name)s” already listens to %(address)s.")
                % {"name": other.name, "address": address}
            )
        return address

    def keep(self) -> Source:
        """Save the source. The first fetch of the source is due immediately."""
        source: Source = self.save(commit=False)
        now = timezone.now()
        source.kind, source.account = self.kind, self.account
        source.address = self.cleaned_data["found"]
        source.secrets = self.places[source.address].secrets
        source.cases_since = self._cases_since(now)
        source.next_fetch_at = now
        source.save()
        return source

    def _cases_since(self, now: datetime) -> datetime:
        ages = {"day": timedelta(days=1), "none": timedelta(0), "3 days": timedelta(days=3)}
        since = self.cleaned_data["since"]
        if since in ages:
            return now - ages[since]
        shown = [item.occurred_at for item in self.places[self.cleaned_data["found"]].items]
        # A date cannot be the limit for an item without a date. If there is such an item, every
        # item may open a case.
        dated = [moment for moment in shown if moment]
        return min(dated) if dated and len(dated) == len(shown) else EVERYTHING


def _choose_owner(form: forms.ModelForm[Any]) -> None:
    set_queryset(form, "owner", User.objects.active().order_by("name"))
    set_empty_label(form, "owner", None)
