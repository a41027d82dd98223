from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("listening", "0011_failing_and_gone_since")]

    operations = [
        migrations.AddField(
            model_name="sighting",
            name="content_hash_at",
            field=models.DateTimeField(null=True),
        ),
    ]
