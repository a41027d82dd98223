from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError

from responses.models import Hole, Proof
from responses.proof.run import prove


class Command(BaseCommand):
    help = "Prove that the record is whole, now; fails if it has holes or a check was not made."

    def handle(self, *_args: object, **_options: object) -> None:
        proof = Proof.objects.create()
        prove(proof)
        holes = Hole.objects.open().order_by("check_key", "pk")
        for hole in holes:
            self.stdout.write(f"{hole.check_key}: {hole.words} {hole.there}")
        for check, why in proof.missed.items():
            self.stdout.write(f"{check}: not checked. {why}")
        if holes or proof.missed:
            raise CommandError(f"{len(holes)} holes; {len(proof.missed)} checks were not made.")
        self.stdout.write("The record is whole.")
