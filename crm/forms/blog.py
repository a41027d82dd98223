"""Connect a WordPress blog; it is saved only if logging in to it works."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from crm.models import Account, User
from scrm.channels.wordpress.connect import Blog, Trouble, connect
from scrm.web.form_fields import set_queryset

KIND = "wordpress"


class BlogForm(forms.Form):
    """Address and login of a blog.

    account: the account that is reconnected; None creates a new one.
    """

    address = forms.CharField(
        label=_("Blog address"),
        max_length=500,
        help_text=_("The home page of the blog, such as blog.example."),
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off"}),
    )
    user = forms.CharField(
        label=_("WordPress user name"),
        max_length=200,
        help_text=_("A user with the editor role. Posts and replies appear under this user."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    password = forms.CharField(
        label=_("Application password"),
        max_length=200,
        help_text=_("Made on the blog under Users, Profile, Application Passwords; not the one "
                    "that person logs in with. It is stored encrypted and never shown again."),
        widget=forms.PasswordInput(render_value=True, attrs={"autocomplete": "off"}),
    )  # fmt: skip
    owner = forms.ModelChoiceField(User.objects.none(), label=_("Owner"), empty_label=None)

    def __init__(self, data: Any = None, *, account: Account | None, by: User) -> None:
        initial: dict[str, Any] = {"owner": account.owner if account else by}
        if account:
            initial |= {"address": account.address, "user": account.secrets.get("user", "")}
        super().__init__(data, initial=initial)
        self.account, self.blog = account, None
        set_queryset(self, "owner", User.objects.active().order_by("name"))

    blog: Blog | None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors:
            return data
        try:
            self.blog = connect(data["address"], data["user"], data["password"])
        except Trouble as trouble:
            self.add_error(trouble.field, trouble.message)
            return data
        if self.account and self.blog.network != self.account.network:
            self.add_error("address", _t("This is a different blog. Connect it as a new account."))
        twin = Account.objects.filter(network=self.blog.network).first()
        if twin and twin != self.account:
            said = _t("“%(name)s” already uses this blog. Open that account instead.")
            self.add_error("address", said % {"name": twin})
        return data

    def keep(self) -> Account:
        """Save the account with the typed login and the facts that the blog reported; return it."""
        blog, data = self.blog, self.cleaned_data
        assert blog is not None  # the form is valid, so connect() succeeded
        account = self.account or Account(kind=KIND, name=blog.title[:200], network=blog.network)
        account.self_key, account.address, account.owner = (
            blog.self_key, blog.address[:500], data["owner"],
        )  # fmt: skip
        account.secrets = {"user": data["user"].strip(), "password": data["password"].strip()}
        return account.keep_with({"api": blog.api})
