from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("responses", "0002_no_refused_responses")]

    operations = [
        migrations.RenameModel("Proof", "RecordCheck"),
        migrations.RenameModel("Hole", "Gap"),
        migrations.RenameIndex("recordcheck", new_name="record_check_due", old_name="proof_due"),
        migrations.RenameIndex("gap", new_name="gap_closed", old_name="hole_closed"),
        migrations.RemoveConstraint("gap", "hole_open_once"),
        migrations.AddConstraint(
            "gap",
            models.UniqueConstraint(
                condition=models.Q(("closed_at", None)),
                fields=("check_key", "subject"),
                name="gap_open_once",
            ),
        ),
    ]
