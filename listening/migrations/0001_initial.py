import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
import pgtrigger.compiler
import pgtrigger.migrations
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('crm', '0001_initial'),
        ('pghistory', '0007_auto_20250421_0444'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Fetch',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('attempt', models.PositiveIntegerField(default=0)),
                ('outcome', models.CharField(choices=[('running', 'Running'), ('ok', 'New items'), ('unchanged', 'Nothing new'), ('failed', 'Failed'), ('discarded', 'Superseded by another fetch')], default='running', max_length=12)),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('ended_at', models.DateTimeField(null=True)),
                ('found', models.PositiveIntegerField(default=0)),
                ('new', models.PositiveIntegerField(default=0)),
                ('quarantined', models.PositiveIntegerField(default=0)),
                ('size', models.PositiveBigIntegerField(default=0, verbose_name='bytes')),
                ('error', models.TextField(blank=True)),
            ],
            options={
                'ordering': ['-started_at'],
            },
        ),
        migrations.CreateModel(
            name='Mention',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('attempt', models.PositiveIntegerField(default=0)),
                ('lease_until', models.DateTimeField(null=True)),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('scope', models.CharField(max_length=600)),
                ('key', models.CharField(max_length=1000)),
                ('author_network', models.CharField(max_length=600)),
                ('author_key', models.CharField(max_length=1000)),
                ('author_handle', models.CharField(blank=True, max_length=300)),
                ('author_name', models.CharField(blank=True, max_length=300)),
                ('author_url', models.CharField(blank=True, max_length=1000)),
                ('author_reach', models.BigIntegerField(null=True)),
                ('kind', models.CharField(max_length=30)),
                ('visibility', models.CharField(max_length=10)),
                ('thread_key', models.CharField(blank=True, max_length=1000)),
                ('in_reply_to', models.CharField(blank=True, max_length=1000)),
                ('title', models.TextField(blank=True)),
                ('text', models.TextField(blank=True)),
                ('html', models.TextField(blank=True)),
                ('url', models.CharField(blank=True, max_length=2000)),
                ('language', models.CharField(blank=True, max_length=20)),
                ('other_address', models.CharField(blank=True, max_length=500)),
                ('raw', models.BinaryField(default=bytes)),
                ('occurred_at', models.DateTimeField(null=True)),
                ('recorded_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('sort_at', models.GeneratedField(db_persist=True, expression=models.Func(models.F('occurred_at'), models.F('recorded_at'), function='LEAST'), output_field=models.DateTimeField())),
                ('backlog', models.BooleanField(default=False)),
                ('processed_at', models.DateTimeField(null=True)),
                ('fetch', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='mentions', to='listening.fetch')),
                ('interaction', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='mention', to='crm.interaction')),
            ],
        ),
        migrations.CreateModel(
            name='Enclosure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('attachment', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='enclosure', to='crm.attachment')),
                ('mention', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='enclosures', to='listening.mention')),
            ],
        ),
        migrations.CreateModel(
            name='Quarantined',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('raw', models.BinaryField()),
                ('reason', models.TextField()),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('replayed_at', models.DateTimeField(null=True)),
                ('fetch', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='quarantined_items', to='listening.fetch')),
                ('mention', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='quarantined', to='listening.mention')),
            ],
            options={
                'ordering': ['-at'],
            },
        ),
        migrations.CreateModel(
            name='Seen',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('scope', models.CharField(max_length=600)),
                ('key_hash', models.BinaryField(max_length=32)),
                ('first_seen_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('scope', 'key_hash'), name='seen_once')],
            },
        ),
        migrations.CreateModel(
            name='Source',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('attempt', models.PositiveIntegerField(default=0)),
                ('lease_until', models.DateTimeField(null=True)),
                ('kind', models.CharField(max_length=30, verbose_name='channel')),
                ('address', models.CharField(max_length=1000)),
                ('name', models.CharField(max_length=200)),
                ('stance', models.CharField(choices=[('for us', 'Addressed to us: every item opens or updates a case'), ('about us', 'About us: only items that match a topic open or update a case')], default='about us', max_length=10)),
                ('is_active', models.BooleanField(default=True)),
                ('rhythm', models.PositiveIntegerField(default=300, verbose_name='seconds between fetches')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('cases_since', models.DateTimeField()),
                ('cursor', models.JSONField(default=dict)),
                ('next_fetch_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('last_ok_at', models.DateTimeField(null=True)),
                ('failures', models.PositiveIntegerField(default=0)),
                ('error', models.TextField(blank=True)),
                ('account', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='sources', to='crm.account')),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='sources', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='Sighting',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('fetch', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='sightings', to='listening.fetch')),
                ('mention', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='sightings', to='listening.mention')),
                ('source', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='sightings', to='listening.source')),
            ],
        ),
        migrations.AddField(
            model_name='fetch',
            name='source',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='fetches', to='listening.source'),
        ),
        migrations.CreateModel(
            name='SourceChange',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('name', models.CharField(max_length=200)),
                ('address', models.CharField(max_length=1000)),
                ('stance', models.CharField(choices=[('for us', 'Addressed to us: every item opens or updates a case'), ('about us', 'About us: only items that match a topic open or update a case')], default='about us', max_length=10)),
                ('is_active', models.BooleanField(default=True)),
                ('rhythm', models.PositiveIntegerField(default=300, verbose_name='seconds between fetches')),
                ('account', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='crm.account')),
                ('owner', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='name_address_stance_is_active_rhythm_owner_account_events', to='listening.source')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Topic',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120, unique=True)),
                ('purpose', models.CharField(blank=True, max_length=500)),
                ('is_active', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='topics', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='TopicRevision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('any_of', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200), blank=True, default=list, size=None)),
                ('all_of', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200), blank=True, default=list, size=None)),
                ('none_of', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200), blank=True, default=list, size=None)),
                ('made_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('made_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('topic', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='revisions', to='listening.topic')),
            ],
            options={
                'ordering': ['-number'],
            },
        ),
        migrations.CreateModel(
            name='TopicChange',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('name', models.CharField(max_length=120)),
                ('is_active', models.BooleanField(default=True)),
                ('owner', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='name_owner_is_active_current_events', to='listening.topic')),
                ('current', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='listening.topicrevision')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.AddField(
            model_name='topic',
            name='current',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='current_of', to='listening.topicrevision'),
        ),
        migrations.CreateModel(
            name='Match',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('spans', models.JSONField(default=list)),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('interaction', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='matches', to='crm.interaction')),
                ('mention', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='matches', to='listening.mention')),
                ('revision', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='matches', to='listening.topicrevision')),
            ],
        ),
        migrations.CreateModel(
            name='TopicStamp',
            fields=[
                ('id', models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ('stamp', models.UUIDField()),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('pk', 1)), name='one_topic_stamp')],
            },
        ),
        migrations.AddIndex(
            model_name='mention',
            index=models.Index(condition=models.Q(('processed_at', None)), fields=['id'], name='mention_unprocessed'),
        ),
        migrations.AddConstraint(
            model_name='mention',
            constraint=models.UniqueConstraint(fields=('scope', 'key'), name='mention_once'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='mention',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF TRUE THEN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF; RETURN OLD;", hash='e20bfb1d8b136eb773e431933f8d9d578e56e603', operation='DELETE', pgid='pgtrigger_no_delete_942ad', table='listening_mention', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='mention',
            trigger=pgtrigger.compiler.Trigger(name='frozen', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF (FALSE) OR ((NEW.scope IS DISTINCT FROM OLD.scope OR NEW.key IS DISTINCT FROM OLD.key OR NEW.author_network IS DISTINCT FROM OLD.author_network OR NEW.author_key IS DISTINCT FROM OLD.author_key OR NEW.title IS DISTINCT FROM OLD.title OR NEW.text IS DISTINCT FROM OLD.text OR NEW.html IS DISTINCT FROM OLD.html OR NEW.raw IS DISTINCT FROM OLD.raw OR NEW.occurred_at IS DISTINCT FROM OLD.occurred_at OR NEW.recorded_at IS DISTINCT FROM OLD.recorded_at OR NEW.in_reply_to IS DISTINCT FROM OLD.in_reply_to OR NEW.thread_key IS DISTINCT FROM OLD.thread_key OR NEW.visibility IS DISTINCT FROM OLD.visibility OR NEW.other_address IS DISTINCT FROM OLD.other_address) AND NOT (FALSE) AND NOT COALESCE(current_setting('scrm.erasing', true) = 'on', FALSE)) THEN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF; RETURN NEW;", hash='4467b3953f6fbe6be4b39329eb2395d6e15d5426', operation='UPDATE', pgid='pgtrigger_frozen_287bb', table='listening_mention', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='source',
            index=models.Index(condition=models.Q(('is_active', True)), fields=['next_fetch_at'], name='source_due'),
        ),
        migrations.AddConstraint(
            model_name='source',
            constraint=models.UniqueConstraint(fields=('kind', 'address', 'account'), name='source_once_an_address', nulls_distinct=False),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='source',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "listening_sourcechange" ("account_id", "address", "is_active", "name", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "rhythm", "stance") VALUES (NEW."account_id", NEW."address", NEW."is_active", NEW."name", NEW."owner_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."rhythm", NEW."stance"); RETURN NULL;', hash='4b03f9f389306f22b8eaeec010184ae8c4990d0b', operation='INSERT', pgid='pgtrigger_insert_insert_860cd', table='listening_source', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='source',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."account_id" IS DISTINCT FROM (NEW."account_id") OR OLD."address" IS DISTINCT FROM (NEW."address") OR OLD."is_active" IS DISTINCT FROM (NEW."is_active") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."owner_id" IS DISTINCT FROM (NEW."owner_id") OR OLD."rhythm" IS DISTINCT FROM (NEW."rhythm") OR OLD."stance" IS DISTINCT FROM (NEW."stance"))', func='INSERT INTO "listening_sourcechange" ("account_id", "address", "is_active", "name", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "rhythm", "stance") VALUES (NEW."account_id", NEW."address", NEW."is_active", NEW."name", NEW."owner_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."rhythm", NEW."stance"); RETURN NULL;', hash='1d6f5f1e5a3b0d7d5e25af15a139fc84833e08be', operation='UPDATE', pgid='pgtrigger_update_update_7e001', table='listening_source', when='AFTER')),
        ),
        migrations.AddIndex(
            model_name='sighting',
            index=models.Index(fields=['source', '-mention'], name='sighting_of_source'),
        ),
        migrations.AddConstraint(
            model_name='sighting',
            constraint=models.UniqueConstraint(fields=('mention', 'source'), name='sighting_once_a_source'),
        ),
        migrations.AddIndex(
            model_name='fetch',
            index=models.Index(fields=['source', '-started_at'], name='fetch_of_source'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='sourcechange',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='3550e9201c23e0df059ae2c70b86c20c8eabe5b5', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_6a450', table='listening_sourcechange', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='topicrevision',
            constraint=models.UniqueConstraint(fields=('topic', 'number'), name='topic_revision_number'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='topicrevision',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF TRUE THEN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF; RETURN OLD;", hash='4859bb8278b785c2ad27b2c12a08353bd76f8e4f', operation='DELETE', pgid='pgtrigger_no_delete_d2bd0', table='listening_topicrevision', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='topicrevision',
            trigger=pgtrigger.compiler.Trigger(name='no_update', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NOT (COALESCE(current_setting('scrm.erasing', true) = 'on', FALSE) AND (to_jsonb(NEW) - ARRAY[]::text[]) = (to_jsonb(OLD) - ARRAY[]::text[])) THEN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF; RETURN NEW;", hash='10333f6c4c6d9a3ce20c0da453b60b76ad36206e', operation='UPDATE', pgid='pgtrigger_no_update_29f31', table='listening_topicrevision', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='topicchange',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='8e2f1f64791b4c648c3436078e5ad8eb789a5c0d', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_61394', table='listening_topicchange', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='topic',
            trigger=pgtrigger.compiler.Trigger(name='stamp', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO listening_topicstamp VALUES (1, gen_random_uuid()) ON CONFLICT (id) DO UPDATE SET stamp = EXCLUDED.stamp; RETURN NULL;', hash='b3ed97d6b9a69da2deebadef3c2a8d881a2fdf84', level='STATEMENT', operation='INSERT OR UPDATE OR DELETE OR TRUNCATE', pgid='pgtrigger_stamp_4589d', table='listening_topic', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='topic',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "listening_topicchange" ("current_id", "is_active", "name", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."current_id", NEW."is_active", NEW."name", NEW."owner_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id"); RETURN NULL;', hash='2725be533fd37c797527a77db98ad9915e76810c', operation='INSERT', pgid='pgtrigger_insert_insert_05168', table='listening_topic', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='topic',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."current_id" IS DISTINCT FROM (NEW."current_id") OR OLD."is_active" IS DISTINCT FROM (NEW."is_active") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."owner_id" IS DISTINCT FROM (NEW."owner_id"))', func='INSERT INTO "listening_topicchange" ("current_id", "is_active", "name", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."current_id", NEW."is_active", NEW."name", NEW."owner_id", _pgh_attach_context(), NOW(), \'update\', NEW."id"); RETURN NULL;', hash='3b797bb5f919a6ca99b0d67ca3b6fc30a47a5853', operation='UPDATE', pgid='pgtrigger_update_update_73258', table='listening_topic', when='AFTER')),
        ),
        migrations.AddConstraint(
            model_name='match',
            constraint=models.UniqueConstraint(fields=('mention', 'revision'), name='match_once'),
        ),
        migrations.AddConstraint(
            model_name='match',
            constraint=models.UniqueConstraint(fields=('interaction', 'revision'), name='match_once_in_the_ledger'),
        ),
        migrations.AddConstraint(
            model_name='match',
            constraint=models.CheckConstraint(condition=models.Q(('mention__isnull', False), ('interaction__isnull', False), _connector='OR'), name='match_of_something'),
        ),
        migrations.RunSQL(
            "INSERT INTO listening_topicstamp VALUES (1, gen_random_uuid())",
            migrations.RunSQL.noop,
        ),
    ]
