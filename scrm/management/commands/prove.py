from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError

from responses.models import Hole, Proof
from responses.proof.run import prove


class Command(BaseCommand):
    help = "Run the record check now; fails if it finds gaps or could not run a check."

    def handle(self, *_args: object, **_options: object) -> None:
        proof = Proof.objects.create()
        prove(proof)
        holes = Hole.objects.open().order_by("check_key", "pk")
        for hole in holes:
            self.stdout.write(f"{hole.check_key}: {hole.words} {hole.there}")
        for check, why in proof.missed.items():
            self.stdout.write(f"{check}: not run. {why}")
        if holes or proof.missed:
            raise CommandError(f"Gaps found: {len(holes)}; checks not run: {len(proof.missed)}.")
        self.stdout.write("No gaps found.")
