from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError

from responses.models import Gap, RecordCheck
from responses.record_check.run import check_record


class Command(BaseCommand):
    help = "Run the record check now; fails if it finds gaps or could not run a check."

    def handle(self, *_args: object, **_options: object) -> None:
        record_check = RecordCheck.objects.create()
        check_record(record_check)
        gaps = Gap.objects.open().order_by("check_key", "pk")
        for gap in gaps:
            self.stdout.write(f"{gap.check_key}: {gap.words} {gap.there}")
        for check, why in record_check.missed.items():
            self.stdout.write(f"{check}: not run. {why}")
        if gaps or record_check.missed:
            raise CommandError(
                f"Gaps found: {len(gaps)}; checks not run: {len(record_check.missed)}."
            )
        self.stdout.write("No gaps found.")
