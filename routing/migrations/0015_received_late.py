from django.db import migrations, models

FILL = """
UPDATE routing_case SET received_late = true FROM routing_caseclock clock
WHERE clock.case_id = routing_case.id AND clock.stopped_at IS NULL AND clock.heard_late
"""


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0015_merged_notices"),
        ("routing", "0014_received_late_index"),
    ]

    operations = [
        migrations.RemoveIndex("caseclock", "clock_heard_late"),
        migrations.AddField("case", "received_late", models.BooleanField(default=False)),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AddIndex(
            "case",
            models.Index(
                fields=["department", "due_sort", "id"],
                name="case_late",
                condition=models.Q(("received_late", True)),
            ),
        ),
        migrations.AddIndex(
            "case",
            models.Index(
                fields=["due_sort", "id"],
                name="case_late_everywhere",
                condition=models.Q(("received_late", True)),
            ),
        ),
    ]
