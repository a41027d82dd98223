from __future__ import annotations

from django.db import models

from crm.models import Interaction, Profile
from responses.models.response import Response
from routing.models import Case


class ServedPerson(models.Model):
    """A person in a public thread whom our answer to another person also answers.

    message: the person's newest message in the thread that the author of the answer had read.
    case: the person's open case on which the author may work; None if there is none.
    """

    response = models.ForeignKey(Response, models.PROTECT, related_name="served")
    profile = models.ForeignKey(Profile, models.PROTECT, related_name="+")
    message = models.ForeignKey(Interaction, models.PROTECT, related_name="+")
    case = models.ForeignKey(Case, models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["response", "profile"], name="served_once")]

    def __str__(self) -> str:
        return f"{self.profile} by {self.response}"
