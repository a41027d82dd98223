import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("listening", "0001_schema")]

    operations = [
        migrations.RemoveIndex("poll", "poll_of_source"),
        migrations.RemoveIndex("source", "source_due"),
        migrations.RenameModel("Poll", "Fetch"),
        migrations.RenameModel("SetApart", "Quarantined"),
        migrations.RenameField("mention", "poll", "fetch"),
        migrations.RenameField("sighting", "poll", "fetch"),
        migrations.RenameField("quarantined", "poll", "fetch"),
        migrations.RenameField("fetch", "apart", "quarantined"),
        migrations.RenameField("source", "next_poll_at", "next_fetch_at"),
        migrations.AlterField(
            "fetch",
            "source",
            models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="fetches",
                to="listening.source",
            ),
        ),
        migrations.AlterField(
            "quarantined",
            "fetch",
            models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="quarantined_items",
                to="listening.fetch",
            ),
        ),
        migrations.AlterField(
            "quarantined",
            "mention",
            models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="quarantined",
                to="listening.mention",
            ),
        ),
        migrations.AddIndex(
            "fetch", models.Index(fields=["source", "-started_at"], name="fetch_of_source")
        ),
        migrations.AddIndex(
            "source",
            models.Index(
                condition=models.Q(("is_active", True)), fields=["next_fetch_at"], name="source_due"
            ),
        ),
    ]
