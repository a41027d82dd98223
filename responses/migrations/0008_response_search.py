from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import migrations, models
from django.db.models.functions import Concat

SUBJECT_AND_TEXT = models.Func(
    Concat(
        models.F("subject"), models.Value(" "), models.F("text"), output_field=models.TextField()
    ),
    function="scrm_search_words",
    output_field=SearchVectorField(),
)


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0017_search_words"),
        ("responses", "0007_copies"),
    ]

    operations = [
        migrations.AddIndex("response", GinIndex(SUBJECT_AND_TEXT, name="response_search")),
    ]
