"""Guarantee G2 (docs/guarantees.md): one click creates one response.

This is true however often the browser posts the form.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from crm.models import Account, User
from responses.models import Delivery, Response
from routing.models import Case, Decision
from tests.together import at_once


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_fifty_posts_of_one_form_at_once_are_one_response(
    complaint: Case, microblog: Account, agent: User, as_: Callable[[User], Client]
) -> None:
    """If a form is posted fifty times at the same moment, one response is created.

    All fifty requests get the same answer. Fails without the UUID of the form, because then fifty
    responses are created. Fails without the look-up after the insert, because then 49 requests get
    an error.
    """
    complaint.claim(by=agent)
    typed = {
        "form": uuid.uuid4(),
        "seen": complaint.last_inbound_id,
        "place": f"{microblog.pk}:{complaint.profile_id}:public",
        "text": "We are so sorry.",
    }
    address = reverse("responses:reply", args=[complaint.pk])
    browsers = [as_(agent) for _ in range(50)]
    posts = [lambda browser=browser: browser.post(address, typed) for browser in browsers]
    answers = at_once(*posts)
    assert {(each.status_code, each["Location"]) for each in answers} == {
        (302, complaint.get_absolute_url())
    }
    assert Response.objects.count() == Delivery.objects.count() == Decision.objects.count() == 1
