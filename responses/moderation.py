"""Moderate messages of other people on their networks, and record each action.

A row is written before the network is asked, and it is completed with the result. A constraint of
the database lets only one row of an action be in progress or in effect, so two clicks ask the
network once. See docs/decisions/0023-moderation.md.
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import spending
from crm.models import Account, Interaction, Pause, User
from crm.models.membership import PERMISSIONS, Permissions, Role
from crm.money import Priority, Refusal
from crm.renewal import fresh_credentials
from responses import restored_database, send_budget
from responses.models import Moderation
from responses.models.response import Refused
from responses.moderation_actions import ACTIONS, Action, ended_by
from routing.models import Case, CaseEvent
from scrm.channels.base import ChannelError

_log = structlog.get_logger(__name__)
State = Moderation.State
_ATTEMPTS = 3
INTERRUPTED = "scrm was stopped before the network answered."


def rights_in(case: Case, user: User) -> Permissions:
    """Return what the user may do in the department of the case."""
    if user.sees_everything:
        return PERMISSIONS[Role.LEAD]
    there = (row for row in user.memberships.all() if row.department_id == case.department_id)
    membership = next(there, None)
    return membership.permissions if membership else Permissions()


def moderating_accounts(case: Case) -> list[Account]:
    """Return the department's accounts whose networks can be moderated."""
    accounts = case.department.accounts.filter(is_active=True).order_by("name", "pk")
    return [account for account in accounts if account.channel.moderator]


def account_for(message: Interaction, accounts: Iterable[Account]) -> Account | None:
    """Return which of the accounts can moderate the message; None if none can."""
    there = [account for account in accounts if account.network == message.scope]
    if message.is_ours or not there:
        return None
    # The account that was addressed can do more: on X, only it can hide the reply.
    addressed = {message.account_id, message.conversation.account_id}
    return next((account for account in there if account.pk in addressed), there[0])


def possible_actions(message: Interaction, account: Account) -> list[Action]:
    """Return the actions that the network of the account has for this message."""
    moderator = account.channel.moderator
    names = moderator.actions(account.credentials, message.key) if moderator else ()
    actions = [action for action in ACTIONS.values() if action.name in names]
    # Networks can hide only answers.
    return [each for each in actions if each.group != "hide" or message.in_reply_to]


def moderate(
    message: Interaction, action: Action, *, case: Case, account: Account, by: User, reason: str
) -> Moderation:
    """Carry out the action on the network, and return its record.

    If the action is already in effect or in progress, the network is not asked again, and the
    earlier record is returned. Raises Refused, and records nothing, while nothing may be sent. Do
    not call this function in a transaction.
    """
    _refuse_if_stopped(account)
    row = Moderation(
        interaction=message, account=account, case=case, action=action.name, by=by, reason=reason
    )
    if earlier := _begin(row):
        return earlier
    try:
        _act(row, action)
    except ChannelError as error:
        _fail(row, error.message)
    except Exception as error:
        _log.exception("moderation failed", moderation=row.pk)
        _fail(row, _("scrm could not tell whether it was done: %r") % error)
    else:
        _finish(row, action)
    row.refresh_from_db()
    return row


def _refuse_if_stopped(account: Account) -> None:
    """Raise Refused if nothing may be sent, because an action is seen on the network too.

    A restored database must not act at all: its original acts for the same accounts.
    """
    restored_database.is_restored(now=timezone.now())
    pauses = sorted(Pause.objects.open(), key=lambda pause: pause.kind != Pause.Kind.RESTORED)
    if pauses:
        why = {"why": pauses[0].reason}
        raise Refused(_("Nothing was done on the network. All sending is paused: %(why)s") % why)
    if Account.objects.filter(pk=account.pk, paused_at__isnull=False).exists():
        message = _("Nothing was done on the network. Sending from %(account)s is paused.")
        raise Refused(message % {"account": account})


@transaction.atomic
def _begin(row: Moderation) -> Moderation | None:
    """Save the row as “in progress”; return the earlier row instead if there is one.

    If scrm was stopped during an earlier attempt, that attempt counts as failed. Raises Refused if
    other attempts begin and end all the time.
    """
    same = Moderation.objects.filter(
        interaction=row.interaction, account=row.account, action=row.action
    )
    same.interrupted(timezone.now()).update(state=State.FAILED, error=INTERRUPTED)
    for _attempt in range(_ATTEMPTS):
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            if earlier := same.filter(state__in=[State.PENDING, State.DONE]).first():
                return earlier
            # The earlier attempt has failed meanwhile, so this row can be saved now.
        else:
            return None
    raise Refused(_("Another user did the same at this moment. Try again."))


def _act(row: Moderation, action: Action) -> None:
    moderator, profile = row.account.channel.moderator, row.interaction.profile
    if moderator is None or profile is None:
        raise ChannelError(_("This network has no moderation."), permanent=True)
    credentials = fresh_credentials(row.account)
    # After the login was renewed: if that fails, nothing is booked.
    booked = _reserve(row.account, action)
    try:
        moderator.act(
            credentials,
            action.name,
            item_key=row.interaction.key,
            author_key=profile.key,
            reason=row.reason,
        )
    except ChannelError as error:
        send_budget.settle_failed(booked, error)
        raise


def _reserve(account: Account, action: Action) -> spending.Reservation | None:
    """Reserve the cost of the action; None if it is free. Raises ChannelError if over budget."""
    usage_of = account.channel.moderation_usage
    if usage_of is None:
        return None
    wanted = spending.Wanted(spending.SEND, usage_of(action.name), Priority.URGENT)
    booked = spending.reserve(account, wanted, now=timezone.now())
    if isinstance(booked, Refusal):
        again = booked.continuation(_("Try again on %(when)s."))
        raise ChannelError(f"{booked.reason(account)} {again}", permanent=True)
    return booked


def _fail(row: Moderation, error: str) -> None:
    Moderation.objects.filter(pk=row.pk, state=State.PENDING).update(
        state=State.FAILED, error=error
    )
    _log.info("moderation refused", moderation=row.pk, error=error)


@transaction.atomic
def _finish(row: Moderation, action: Action) -> None:
    """Mark the action as done, end the actions that it undoes, and add an event to the case."""
    case = Case.objects.filter(pk=row.case_id).lock()[0]
    if not Moderation.objects.filter(pk=row.pk, state=State.PENDING).update(state=State.DONE):
        return
    ended = Moderation.objects.filter(
        interaction=row.interaction, account=row.account, action__in=ended_by(action),
        state=State.DONE,
    )  # fmt: skip
    ended.update(state=State.UNDONE)
    # Without the reason: it may quote the message, and not every reader of the case may read it.
    case.log(
        CaseEvent.Kind.MODERATED, by=row.by, why=f"{action.done} ({row.interaction.profile})",
        interaction=row.interaction, action=action.name,
    )  # fmt: skip
