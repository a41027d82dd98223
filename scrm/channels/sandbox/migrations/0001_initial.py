
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Fault',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('network', models.TextField()),
                ('call', models.TextField()),
                ('mode', models.TextField()),
                ('remaining', models.IntegerField(default=1)),
                ('seconds', models.FloatField(default=0.0)),
            ],
        ),
        migrations.CreateModel(
            name='Post',
            fields=[
                ('seq', models.BigAutoField(primary_key=True, serialize=False)),
                ('network', models.TextField()),
                ('key', models.TextField()),
                ('thread_key', models.TextField()),
                ('parent_key', models.TextField(default='')),
                ('author_key', models.TextField()),
                ('author_handle', models.TextField(default='')),
                ('author_name', models.TextField(default='')),
                ('author_url', models.TextField(default='')),
                ('author_reach', models.BigIntegerField(null=True)),
                ('title', models.TextField(default='')),
                ('text', models.TextField()),
                ('visibility', models.TextField(default='')),
                ('to_key', models.TextField(default='')),
                ('nonce', models.TextField(default='')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'indexes': [models.Index(fields=['network', 'seq'], name='sandbox_post_seq'), models.Index(fields=['network', 'thread_key', 'seq'], name='sandbox_post_thread'), models.Index(condition=models.Q(('nonce', ''), _negated=True), fields=['nonce'], name='sandbox_post_nonce')],
                'constraints': [models.UniqueConstraint(fields=('network', 'key'), name='sandbox_post_key'), models.CheckConstraint(condition=models.Q(('visibility__in', ['public', 'private'])), name='sandbox_post_visibility')],
            },
        ),
    ]
