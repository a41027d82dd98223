import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
import pgtrigger.compiler
import pgtrigger.migrations
import scrm.db.encrypted
import uuid
from django.conf import settings
from django.db import migrations, models


# Recorded before anything can be sent, so that even the first backup is recognised as a copy.
# The expression is that of `crm.models.instance.CurrentFingerprint` when this was written.
RECORD_INSTANCE = """
    INSERT INTO crm_instance (id, uuid, fingerprint, attempts, recorded_at)
    SELECT 1, gen_random_uuid(),
        concat_ws('/', (pg_control_system()).system_identifier,
            (SELECT oid FROM pg_database WHERE datname = current_database()),
            left(pg_walfile_name(pg_current_wal_lsn()), 8), 'crm_instance'::regclass::oid),
        0, now()
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('pghistory', '0007_auto_20250421_0444'),
    ]

    operations = [
        migrations.CreateModel(
            name='User',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('email', models.EmailField(max_length=254, unique=True)),
                ('name', models.CharField(max_length=200)),
                ('role', models.CharField(blank=True, choices=[('', 'Staff'), ('supervisor', 'Supervisor'), ('admin', 'Admin')], default='', max_length=20)),
                ('is_active', models.BooleanField(default=True)),
                ('shortcuts', models.BooleanField(default=True, verbose_name='keyboard shortcuts')),
                ('mail_notices', models.BooleanField(default=False, verbose_name='email notices')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Account',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('kind', models.CharField(max_length=30, verbose_name='channel')),
                ('network', models.CharField(max_length=60)),
                ('name', models.CharField(max_length=200)),
                ('self_key', models.CharField(blank=True, max_length=300)),
                ('address', models.CharField(blank=True, max_length=500)),
                ('secrets', scrm.db.encrypted.EncryptedJSONField(default=dict)),
                ('config', models.JSONField(blank=True, default=dict)),
                ('sources_to_open', models.JSONField(blank=True, default=dict)),
                ('is_active', models.BooleanField(default=True)),
                ('paused_at', models.DateTimeField(blank=True, null=True, verbose_name='all sending paused since')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='AccountChange',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('name', models.CharField(max_length=200)),
                ('network', models.CharField(max_length=60)),
                ('self_key', models.CharField(blank=True, max_length=300)),
                ('is_active', models.BooleanField(default=True)),
                ('paused_at', models.DateTimeField(blank=True, null=True, verbose_name='all sending paused since')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Attachment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('name', models.CharField(max_length=255)),
                ('content_type', models.CharField(max_length=100)),
                ('size', models.BigIntegerField()),
                ('file', models.FileField(upload_to='attachments/%Y/%m')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='Contact',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('name', models.CharField(max_length=200)),
                ('kind', models.CharField(choices=[('customer', 'Customer'), ('prospect', 'Prospect'), ('influencer', 'Influencer'), ('supplier', 'Supplier'), ('partner', 'Partner'), ('employee', 'Employee'), ('press', 'Press')], default='customer', max_length=20)),
                ('about', models.TextField(blank=True)),
                ('tags', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), blank=True, default=list, size=None)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'ordering': ['name', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='ContactRelation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=60)),
                ('made_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('ended_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Conversation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('network', models.CharField(max_length=600)),
                ('key', models.CharField(max_length=1500)),
                ('thread_key', models.CharField(blank=True, max_length=500)),
                ('visibility', models.CharField(max_length=10)),
                ('title', models.CharField(blank=True, max_length=500)),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='Department',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120, unique=True)),
                ('colour', models.CharField(default='#5b6472', max_length=7)),
                ('is_fallback', models.BooleanField(default=False)),
                ('is_restricted', models.BooleanField(default=False)),
                ('position', models.PositiveIntegerField(default=0)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'ordering': ['position', 'name'],
            },
        ),
        migrations.CreateModel(
            name='DepartmentChange',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('name', models.CharField(max_length=120)),
                ('is_fallback', models.BooleanField(default=False)),
                ('is_restricted', models.BooleanField(default=False)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Instance',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('uuid', models.UUIDField(default=uuid.uuid4)),
                ('fingerprint', models.CharField(max_length=200)),
                ('attempts', models.BigIntegerField(default=0)),
                ('recorded_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='Interaction',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('scope', models.CharField(max_length=600)),
                ('key', models.CharField(max_length=1000)),
                ('direction', models.CharField(choices=[('in', 'from them'), ('out', 'from us')], max_length=3)),
                ('channel', models.CharField(max_length=30)),
                ('kind', models.CharField(max_length=30)),
                ('visibility', models.CharField(max_length=10)),
                ('in_reply_to', models.CharField(blank=True, max_length=1000)),
                ('title', models.TextField(blank=True)),
                ('text', models.TextField(blank=True)),
                ('html', models.TextField(blank=True)),
                ('url', models.CharField(blank=True, max_length=2000)),
                ('other_address', models.CharField(blank=True, max_length=500)),
                ('occurred_at', models.DateTimeField(null=True)),
                ('recorded_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('sort_at', models.GeneratedField(db_persist=True, expression=models.Func(models.F('occurred_at'), models.F('recorded_at'), function='LEAST'), output_field=models.DateTimeField())),
                ('words', models.GeneratedField(db_persist=True, expression=django.contrib.postgres.search.SearchVector('title', django.db.models.functions.text.Left('text', 100000), config='simple'), output_field=django.contrib.postgres.search.SearchVectorField())),
            ],
        ),
        migrations.CreateModel(
            name='Job',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('attempt', models.PositiveIntegerField(default=0)),
                ('lease_until', models.DateTimeField(null=True)),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('kind', models.CharField(max_length=60)),
                ('state', models.CharField(choices=[('queued', 'Waiting to start'), ('running', 'Running'), ('done', 'Done'), ('failed', 'Failed')], default='queued', max_length=10)),
                ('data', models.JSONField(default=dict)),
                ('result', models.JSONField(default=dict)),
                ('file', models.FileField(null=True, upload_to='jobs/%Y/%m')),
                ('done', models.PositiveIntegerField(default=0)),
                ('total', models.PositiveIntegerField(null=True)),
                ('message', models.TextField(blank=True)),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('ended_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('role', models.CharField(choices=[('agent', 'Agent'), ('lead', 'Team lead'), ('drafter', 'Drafts only (a team lead must approve)'), ('reader', 'Read-only')], default='agent', max_length=10)),
            ],
        ),
        migrations.CreateModel(
            name='MembershipChange',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('role', models.CharField(choices=[('agent', 'Agent'), ('lead', 'Team lead'), ('drafter', 'Drafts only (a team lead must approve)'), ('reader', 'Read-only')], default='agent', max_length=10)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Notice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('assigned', 'Assigned to you'), ('transferred', 'Transferred to you'), ('mentioned', 'You were mentioned'), ('approved', 'Your text was approved'), ('sent back', 'Your text was sent back'), ('to approve', 'Waiting for your approval'), ('failed', 'Delivery problem'), ('reopened', 'Your case is open again'), ('job', 'Job finished'), ('held', 'Sending is held: this database was restored')], max_length=12)),
                ('about', models.CharField(blank=True, max_length=60)),
                ('title', models.CharField(blank=True, max_length=300)),
                ('place', models.CharField(blank=True, max_length=120)),
                ('text', models.CharField(blank=True, max_length=300)),
                ('url', models.CharField(blank=True, max_length=300)),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('read_at', models.DateTimeField(null=True)),
                ('mailed_at', models.DateTimeField(null=True)),
            ],
            options={
                'ordering': ['-pk'],
            },
        ),
        migrations.CreateModel(
            name='Pause',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('by hand', 'Paused manually'), ('restored', 'Restored database')], default='by hand', max_length=10)),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('why', models.CharField(max_length=200)),
                ('ended_at', models.DateTimeField(null=True)),
            ],
            options={
                'ordering': ['-at'],
            },
        ),
        migrations.CreateModel(
            name='Profile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('network', models.CharField(max_length=60)),
                ('key', models.CharField(max_length=500)),
                ('handle', models.CharField(blank=True, max_length=300)),
                ('name', models.CharField(blank=True, max_length=300)),
                ('url', models.CharField(blank=True, max_length=1000)),
                ('reach', models.BigIntegerField(blank=True, null=True)),
                ('first_seen_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('unreachable_since', models.DateTimeField(null=True)),
                ('unreachable_why', models.CharField(blank=True, max_length=500)),
            ],
        ),
        migrations.CreateModel(
            name='ProfileLink',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('evidence', models.CharField(max_length=500)),
                ('confidence', models.FloatField(default=1.0)),
                ('made_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('ended_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='ProfileName',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('handle', models.CharField(blank=True, max_length=300)),
                ('name', models.CharField(blank=True, max_length=300)),
                ('until', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'ordering': ['-until', '-pk'],
            },
        ),
        migrations.CreateModel(
            name='UserChange',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('email', models.EmailField(max_length=254)),
                ('name', models.CharField(max_length=200)),
                ('role', models.CharField(blank=True, choices=[('', 'Staff'), ('supervisor', 'Supervisor'), ('admin', 'Admin')], default='', max_length=20)),
                ('is_active', models.BooleanField(default=True)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Workspace',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('organisation', models.CharField(max_length=200)),
                ('zone', models.CharField(default='UTC', max_length=60, verbose_name='time zone')),
                ('handles', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200), blank=True, default=list, size=None)),
                ('signature', models.TextField(blank=True)),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='WorkspaceChange',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('organisation', models.CharField(max_length=200)),
                ('zone', models.CharField(default='UTC', max_length=60, verbose_name='time zone')),
                ('handles', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200), blank=True, default=list, size=None)),
                ('signature', models.TextField(blank=True)),
            ],
            options={
                'abstract': False,
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='user',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "crm_userchange" ("email", "is_active", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "role") VALUES (NEW."email", NEW."is_active", NEW."name", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."role"); RETURN NULL;', hash='6af128b1875a01ff28df34a752b067b95301c4aa', operation='INSERT', pgid='pgtrigger_insert_insert_98f47', table='crm_user', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='user',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."email" IS DISTINCT FROM (NEW."email") OR OLD."is_active" IS DISTINCT FROM (NEW."is_active") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."role" IS DISTINCT FROM (NEW."role"))', func='INSERT INTO "crm_userchange" ("email", "is_active", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "role") VALUES (NEW."email", NEW."is_active", NEW."name", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."role"); RETURN NULL;', hash='f75d8966b74883c1e37f1e62040e6aa628e24d84', operation='UPDATE', pgid='pgtrigger_update_update_3aa0c', table='crm_user', when='AFTER')),
        ),
        migrations.AddField(
            model_name='account',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='accounts', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='accountchange',
            name='owner',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='accountchange',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='accountchange',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='name_network_self_key_is_active_paused_at_owner_events', to='crm.account'),
        ),
        migrations.AddField(
            model_name='attachment',
            name='by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='contact',
            name='owner',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='contacts', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='contactrelation',
            name='ended_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='contactrelation',
            name='made_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='contactrelation',
            name='one',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='relations', to='crm.contact'),
        ),
        migrations.AddField(
            model_name='contactrelation',
            name='other',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='related_from', to='crm.contact'),
        ),
        migrations.AddField(
            model_name='conversation',
            name='account',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='crm.account'),
        ),
        migrations.AddField(
            model_name='department',
            name='accounts',
            field=models.ManyToManyField(blank=True, related_name='departments', to='crm.account'),
        ),
        migrations.AddField(
            model_name='department',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='departments_owned', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='conversation',
            name='restricted_to',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='crm.department'),
        ),
        migrations.AddField(
            model_name='departmentchange',
            name='owner',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='departmentchange',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='departmentchange',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='name_owner_is_fallback_is_restricted_events', to='crm.department'),
        ),
        migrations.AddConstraint(
            model_name='instance',
            constraint=models.CheckConstraint(condition=models.Q(('id', 1)), name='one_instance'),
        ),
        migrations.AddField(
            model_name='interaction',
            name='account',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='crm.account'),
        ),
        migrations.AddField(
            model_name='interaction',
            name='conversation',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='interactions', to='crm.conversation'),
        ),
        migrations.AddField(
            model_name='interaction',
            name='revises',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='revisions', to='crm.interaction'),
        ),
        migrations.AddField(
            model_name='interaction',
            name='staff',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='attachment',
            name='interaction',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='attachments', to='crm.interaction'),
        ),
        migrations.AddField(
            model_name='job',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='jobs', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='membership',
            name='department',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='crm.department'),
        ),
        migrations.AddField(
            model_name='membership',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='membershipchange',
            name='department',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='crm.department'),
        ),
        migrations.AddField(
            model_name='membershipchange',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='membershipchange',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='user_department_role_events', to='crm.membership'),
        ),
        migrations.AddField(
            model_name='membershipchange',
            name='user',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='notice',
            name='by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='notice',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notices', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='pause',
            name='by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='pause',
            name='ended_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddIndex(
            model_name='profile',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('name', 'handle', 'key', config='simple'), name='profile_search'),
        ),
        migrations.AddConstraint(
            model_name='profile',
            constraint=models.UniqueConstraint(fields=('network', 'key'), name='profile_once_a_network'),
        ),
        migrations.AddField(
            model_name='interaction',
            name='profile',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='interactions', to='crm.profile'),
        ),
        migrations.AddField(
            model_name='profilelink',
            name='confirmed_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='profilelink',
            name='contact',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='links', to='crm.contact'),
        ),
        migrations.AddField(
            model_name='profilelink',
            name='ended_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='profilelink',
            name='profile',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='links', to='crm.profile'),
        ),
        migrations.AddField(
            model_name='profilename',
            name='profile',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='past_names', to='crm.profile'),
        ),
        migrations.AddField(
            model_name='userchange',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='userchange',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='email_name_role_is_active_events', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='workspace',
            constraint=models.CheckConstraint(condition=models.Q(('id', 1)), name='one_workspace'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='workspace',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "crm_workspacechange" ("handles", "organisation", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "signature", "zone") VALUES (NEW."handles", NEW."organisation", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."signature", NEW."zone"); RETURN NULL;', hash='313ad3909969b790b4f9926c0d4ee72e6cb25abb', operation='INSERT', pgid='pgtrigger_insert_insert_9c827', table='crm_workspace', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='workspace',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."handles" IS DISTINCT FROM (NEW."handles") OR OLD."organisation" IS DISTINCT FROM (NEW."organisation") OR OLD."signature" IS DISTINCT FROM (NEW."signature") OR OLD."zone" IS DISTINCT FROM (NEW."zone"))', func='INSERT INTO "crm_workspacechange" ("handles", "organisation", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "signature", "zone") VALUES (NEW."handles", NEW."organisation", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."signature", NEW."zone"); RETURN NULL;', hash='76bf42e4246da0700883cfaff546e2471f235b2e', operation='UPDATE', pgid='pgtrigger_update_update_a31b7', table='crm_workspace', when='AFTER')),
        ),
        migrations.AddField(
            model_name='workspacechange',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='workspacechange',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='organisation_zone_handles_signature_events', to='crm.workspace'),
        ),
        migrations.AddConstraint(
            model_name='account',
            constraint=models.UniqueConstraint(fields=('network', 'self_key'), name='account_once_a_network'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='account',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "crm_accountchange" ("is_active", "name", "network", "owner_id", "paused_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "self_key") VALUES (NEW."is_active", NEW."name", NEW."network", NEW."owner_id", NEW."paused_at", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."self_key"); RETURN NULL;', hash='4e274cdb404ee0e3691d42277f808b005e28fdbf', operation='INSERT', pgid='pgtrigger_insert_insert_c67d8', table='crm_account', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='account',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."is_active" IS DISTINCT FROM (NEW."is_active") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."network" IS DISTINCT FROM (NEW."network") OR OLD."owner_id" IS DISTINCT FROM (NEW."owner_id") OR OLD."paused_at" IS DISTINCT FROM (NEW."paused_at") OR OLD."self_key" IS DISTINCT FROM (NEW."self_key"))', func='INSERT INTO "crm_accountchange" ("is_active", "name", "network", "owner_id", "paused_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "self_key") VALUES (NEW."is_active", NEW."name", NEW."network", NEW."owner_id", NEW."paused_at", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."self_key"); RETURN NULL;', hash='aeb7c6df3069493b9f5ae9f68733412f6ddbfb3e', operation='UPDATE', pgid='pgtrigger_update_update_01161', table='crm_account', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='accountchange',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='8a9fbc9cb926d9d92d491d63533d889643931566', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_8ae77', table='crm_accountchange', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='contact',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('name', config='simple'), name='contact_search'),
        ),
        migrations.AddIndex(
            model_name='contact',
            index=django.contrib.postgres.indexes.GinIndex(fields=['tags'], name='contact_tags'),
        ),
        migrations.AddConstraint(
            model_name='contactrelation',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('one', 'other', 'kind'), name='relation_once'),
        ),
        migrations.AddConstraint(
            model_name='contactrelation',
            constraint=models.CheckConstraint(condition=models.Q(('one', models.F('other')), _negated=True), name='relation_of_two'),
        ),
        migrations.AddConstraint(
            model_name='department',
            constraint=models.UniqueConstraint(condition=models.Q(('is_fallback', True)), fields=('is_fallback',), name='one_fallback_department'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='department',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "crm_departmentchange" ("is_fallback", "is_restricted", "name", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."is_fallback", NEW."is_restricted", NEW."name", NEW."owner_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id"); RETURN NULL;', hash='b80eaa75792fbe6db61ce92330d3025f1d25e5c9', operation='INSERT', pgid='pgtrigger_insert_insert_17596', table='crm_department', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='department',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."is_fallback" IS DISTINCT FROM (NEW."is_fallback") OR OLD."is_restricted" IS DISTINCT FROM (NEW."is_restricted") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."owner_id" IS DISTINCT FROM (NEW."owner_id"))', func='INSERT INTO "crm_departmentchange" ("is_fallback", "is_restricted", "name", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."is_fallback", NEW."is_restricted", NEW."name", NEW."owner_id", _pgh_attach_context(), NOW(), \'update\', NEW."id"); RETURN NULL;', hash='f7d4732f46e6d9e47534dbe169bdaf8cff9bdbf2', operation='UPDATE', pgid='pgtrigger_update_update_1a549', table='crm_department', when='AFTER')),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(fields=['network', 'thread_key'], name='conversation_thread'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(condition=models.Q(('restricted_to__isnull', False)), fields=['restricted_to'], name='conversation_restricted'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.UniqueConstraint(fields=('network', 'key'), name='conversation_once_a_network'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='departmentchange',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='e26ec13d768f43ef3c3d16009ceffb46a9061027', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_185da', table='crm_departmentchange', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='job',
            index=models.Index(condition=models.Q(('state__in', ['queued', 'running'])), fields=['id'], name='job_due'),
        ),
        migrations.AddConstraint(
            model_name='membership',
            constraint=models.UniqueConstraint(fields=('user', 'department'), name='member_once'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='membership',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "crm_membershipchange" ("department_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "role", "user_id") VALUES (NEW."department_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."role", NEW."user_id"); RETURN NULL;', hash='e4438e5262e36269b8fdacabe2eb3b26a7f8df0d', operation='INSERT', pgid='pgtrigger_insert_insert_94ecf', table='crm_membership', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='membership',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."department_id" IS DISTINCT FROM (NEW."department_id") OR OLD."role" IS DISTINCT FROM (NEW."role") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id"))', func='INSERT INTO "crm_membershipchange" ("department_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "role", "user_id") VALUES (NEW."department_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."role", NEW."user_id"); RETURN NULL;', hash='8a0147f94600457a848e9330b14ea1a31f166710', operation='UPDATE', pgid='pgtrigger_update_update_e2584', table='crm_membership', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='membership',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "crm_membershipchange" ("department_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "role", "user_id") VALUES (OLD."department_id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."role", OLD."user_id"); RETURN NULL;', hash='5d63d8f03b6c5867bb6dfb131e066f9466c4b944', operation='DELETE', pgid='pgtrigger_delete_delete_52446', table='crm_membership', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='membershipchange',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='944befe2dedeea6d1813a0c99c644926e15b83da', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_7ec21', table='crm_membershipchange', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(fields=['user', '-id'], name='notice_of_user'),
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(condition=models.Q(('read_at', None)), fields=['user'], name='notice_unread'),
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(condition=models.Q(('about', ''), _negated=True), fields=['about'], name='notice_about'),
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(condition=models.Q(('mailed_at', None), ('read_at', None)), fields=['at'], name='notice_to_mail'),
        ),
        migrations.AddConstraint(
            model_name='pause',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('kind',), name='one_pause_of_a_kind'),
        ),
        migrations.AddConstraint(
            model_name='pause',
            constraint=models.CheckConstraint(condition=models.Q(('by__isnull', False), ('kind', 'restored'), _connector='OR'), name='pause_by_somebody'),
        ),
        migrations.AddIndex(
            model_name='interaction',
            index=models.Index(fields=['conversation', 'sort_at'], name='interaction_conversation'),
        ),
        migrations.AddIndex(
            model_name='interaction',
            index=models.Index(fields=['profile', '-sort_at', '-id'], name='interaction_profile'),
        ),
        migrations.AddIndex(
            model_name='interaction',
            index=models.Index(condition=models.Q(('in_reply_to', ''), _negated=True), fields=['scope', 'in_reply_to'], name='interaction_reply'),
        ),
        migrations.AddIndex(
            model_name='interaction',
            index=django.contrib.postgres.indexes.GinIndex(fields=['words'], name='interaction_search'),
        ),
        migrations.AddConstraint(
            model_name='interaction',
            constraint=models.UniqueConstraint(fields=('scope', 'key'), name='interaction_once'),
        ),
        migrations.AddConstraint(
            model_name='interaction',
            constraint=models.CheckConstraint(condition=models.Q(('profile__isnull', False), ('direction', 'out'), _connector='OR'), name='inbound_has_a_profile'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='interaction',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF TRUE THEN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF; RETURN OLD;", hash='3cfa899790ed3d70ca1a913e3681559c53758112', operation='DELETE', pgid='pgtrigger_no_delete_93821', table='crm_interaction', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='interaction',
            trigger=pgtrigger.compiler.Trigger(name='no_update', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NOT (COALESCE(current_setting('scrm.erasing', true) = 'on', FALSE) AND (to_jsonb(NEW) - ARRAY['title', 'text', 'html', 'url', 'other_address', 'sort_at', 'words']::text[]) = (to_jsonb(OLD) - ARRAY['title', 'text', 'html', 'url', 'other_address', 'sort_at', 'words']::text[])) THEN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF; RETURN NEW;", hash='a4007397515707284c59ac41945dea9a4a5e6023', operation='UPDATE', pgid='pgtrigger_no_update_4b6cc', table='crm_interaction', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='profilelink',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('profile',), name='one_current_link_a_profile'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='userchange',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='9451f02a5ee0e4f2e89cbd2b0e23019c7cf28646', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_4d254', table='crm_userchange', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='workspacechange',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='4f754f579cd6c692184ec7ba5fc9eaebc368c4d6', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_9e879', table='crm_workspacechange', when='BEFORE')),
        ),
        migrations.RunSQL(RECORD_INSTANCE, migrations.RunSQL.noop),
    ]
