import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.utils.timezone
import pgtrigger.compiler
import pgtrigger.migrations
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
            name='Issue',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200)),
                ('about', models.TextField(blank=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('closed_at', models.DateTimeField(null=True)),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='issues', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-created_at'],
            },
        ),
        migrations.CreateModel(
            name='Case',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('status', models.CharField(choices=[('new', 'New'), ('open', 'Open'), ('waiting', 'Waiting for reply'), ('snoozed', 'Snoozed'), ('done', 'Done'), ('noise', 'Noise')], default='new', max_length=10)),
                ('priority', models.CharField(choices=[('urgent', 'Urgent'), ('high', 'High'), ('normal', 'Normal'), ('low', 'Low')], default='normal', max_length=10)),
                ('rank', models.GeneratedField(db_persist=True, expression=models.Case(models.When(priority='urgent', then=0), models.When(priority='high', then=1), models.When(priority='normal', then=2), models.When(priority='low', then=3), default=4), output_field=models.SmallIntegerField())),
                ('tags', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), blank=True, default=list, size=None)),
                ('opened_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('due_at', models.DateTimeField(null=True)),
                ('first_response_at', models.DateTimeField(null=True)),
                ('last_inbound_at', models.DateTimeField(null=True)),
                ('snoozed_until', models.DateTimeField(null=True)),
                ('done_at', models.DateTimeField(null=True)),
                ('assignee', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='cases', to=settings.AUTH_USER_MODEL)),
                ('continues', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='continued_by', to='routing.case')),
                ('department', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='cases', to='crm.department')),
                ('last_inbound', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='crm.interaction')),
                ('profile', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='cases', to='crm.profile')),
                ('issue', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='cases', to='routing.issue')),
            ],
        ),
        migrations.CreateModel(
            name='Presence',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('replying', models.BooleanField(default=False)),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('case', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='presences', to='routing.case')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='presences', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='RoutingRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120, unique=True)),
                ('position', models.PositiveIntegerField(default=0)),
                ('is_active', models.BooleanField(default=True)),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='routing_rules', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['position', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='RuleRevision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('conditions', models.JSONField()),
                ('assign', models.CharField(choices=[('nobody', 'Unassigned'), ('person', 'Specific user'), ('last', 'Last assignee of this contact')], default='nobody', max_length=10)),
                ('priority', models.CharField(choices=[('urgent', 'Urgent'), ('high', 'High'), ('normal', 'Normal'), ('low', 'Low')], default='normal', max_length=10)),
                ('tags', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), blank=True, default=list, size=None)),
                ('made_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('department', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='crm.department')),
                ('made_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('person', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('rule', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='revisions', to='routing.routingrule')),
            ],
            options={
                'ordering': ['-number'],
            },
        ),
        migrations.CreateModel(
            name='RoutingRuleChange',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('name', models.CharField(max_length=120)),
                ('position', models.PositiveIntegerField(default=0)),
                ('is_active', models.BooleanField(default=True)),
                ('owner', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='name_owner_position_is_active_current_events', to='routing.routingrule')),
                ('current', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='routing.rulerevision')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.AddField(
            model_name='routingrule',
            name='current',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='current_of', to='routing.rulerevision'),
        ),
        migrations.CreateModel(
            name='CaseEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('routed', 'Routed'), ('heard', 'New message'), ('joined', 'Conversation joined'), ('reopened', 'Reopened'), ('claimed', 'Taken'), ('released', 'Unassigned'), ('transferred', 'Transferred'), ('noted', 'Internal note'), ('snoozed', 'Snoozed'), ('woken', 'Snooze ended'), ('done', 'Done'), ('noise', 'Marked as noise'), ('decided', 'Decided'), ('answered', 'Our reply'), ('grouped', 'Issue'), ('tagged', 'Tags'), ('ranked', 'Priority'), ('undone', 'Undone'), ('opened', 'Viewed'), ('left', 'Left')], max_length=20)),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('why', models.TextField(blank=True)),
                ('data', models.JSONField(default=dict)),
                ('facts', models.JSONField(default=dict)),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('case', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='events', to='routing.case')),
                ('interaction', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='crm.interaction')),
                ('undoes', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='undone_by', to='routing.caseevent')),
                ('revision', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='routing.rulerevision')),
            ],
            options={
                'ordering': ['at', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='SavedView',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=60)),
                ('query', models.CharField(max_length=1000)),
                ('is_shared', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='saved_views', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['name', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='SlaPolicy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('priority', models.CharField(max_length=10)),
                ('hours', models.FloatField()),
                ('department', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='targets', to='crm.department')),
            ],
            options={
                'verbose_name': 'SLA target',
            },
        ),
        migrations.CreateModel(
            name='CaseConversation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('since', models.DateTimeField(default=django.utils.timezone.now)),
                ('ended_at', models.DateTimeField(null=True)),
                ('case', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='conversation_links', to='routing.case')),
                ('conversation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='case_links', to='crm.conversation')),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('conversation',), name='one_case_a_conversation')],
            },
        ),
        migrations.CreateModel(
            name='Decision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('outcome', models.CharField(choices=[('none', 'Close without reply'), ('micro', 'Reply to one (micro)'), ('macro', 'Post to many (macro)')], max_length=5)),
                ('why', models.TextField(blank=True)),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('case', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='decisions', to='routing.case')),
                ('issue', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='decisions', to='routing.issue')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('case__isnull', False), ('issue__isnull', False), _connector='OR'), name='decision_about_something')],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='decision',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF TRUE THEN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF; RETURN OLD;", hash='c42482333b5aed08ea631bbe8f42f6e06208ceaa', operation='DELETE', pgid='pgtrigger_no_delete_feb5c', table='routing_decision', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='decision',
            trigger=pgtrigger.compiler.Trigger(name='no_update', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NOT (COALESCE(current_setting('scrm.erasing', true) = 'on', FALSE) AND (to_jsonb(NEW) - ARRAY['why']::text[]) = (to_jsonb(OLD) - ARRAY['why']::text[])) THEN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF; RETURN NEW;", hash='6f21d1a57265381a95031d4a1a0f571c1563e2c2', operation='UPDATE', pgid='pgtrigger_no_update_b03a2', table='routing_decision', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('status__in', ['new', 'open'])), fields=['department', '-last_inbound_at', '-id'], name='case_active'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('status__in', ['new', 'open'])), fields=['-last_inbound_at', '-id'], name='case_newest'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('status__in', ['new', 'open'])), fields=['department'], name='case_open_in'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('status__in', ['new', 'open'])), fields=['department', 'rank', 'last_inbound_at', 'id'], name='case_urgent'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('status__in', ['new', 'open'])), fields=['rank', 'last_inbound_at', 'id'], name='case_rank'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('status__in', ['new', 'open']), ('assignee', None)), fields=['department', 'rank', 'last_inbound_at', 'id'], name='case_free'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('status__in', ['waiting', 'snoozed'])), fields=['department', 'status', '-last_inbound_at', '-id'], name='case_resting'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('status', 'snoozed')), fields=['snoozed_until'], name='case_snoozed'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('status__in', ['new', 'open'])), fields=['assignee', '-last_inbound_at', '-id'], include=('department',), name='case_mine'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(fields=['-last_inbound_at', '-id'], name='case_recent'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(fields=['rank', 'last_inbound_at', 'id'], name='case_ranked'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(fields=['status', '-last_inbound_at', '-id'], name='case_status'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(fields=['department', '-last_inbound_at', '-id'], name='case_of_department'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('issue__isnull', False)), fields=['issue', '-last_inbound_at', '-id'], include=('profile',), name='case_of_issue'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(fields=['profile', '-opened_at'], name='case_of_profile'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=django.contrib.postgres.indexes.GinIndex(fields=['tags'], name='case_tags'),
        ),
        migrations.AddConstraint(
            model_name='case',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('done_at__isnull', False), ('status', 'done')), models.Q(('status', 'done'), _negated=True), _connector='OR'), name='done_has_a_time'),
        ),
        migrations.AddIndex(
            model_name='presence',
            index=models.Index(fields=['at'], name='presence_at'),
        ),
        migrations.AddConstraint(
            model_name='presence',
            constraint=models.UniqueConstraint(fields=('case', 'user'), name='present_once'),
        ),
        migrations.AddConstraint(
            model_name='rulerevision',
            constraint=models.UniqueConstraint(fields=('rule', 'number'), name='rule_revision_number'),
        ),
        migrations.AddConstraint(
            model_name='rulerevision',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('assign', 'person'), _negated=True), ('person__isnull', False), _connector='OR'), name='a_person_is_named'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='rulerevision',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF TRUE THEN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF; RETURN OLD;", hash='22025ba12f05a7e98cc0da2228fad7af86214f9f', operation='DELETE', pgid='pgtrigger_no_delete_47875', table='routing_rulerevision', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='rulerevision',
            trigger=pgtrigger.compiler.Trigger(name='no_update', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NOT (COALESCE(current_setting('scrm.erasing', true) = 'on', FALSE) AND (to_jsonb(NEW) - ARRAY[]::text[]) = (to_jsonb(OLD) - ARRAY[]::text[])) THEN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF; RETURN NEW;", hash='55d9e50b2fb66404c51c80804156bff87ac650d8', operation='UPDATE', pgid='pgtrigger_no_update_ea3d4', table='routing_rulerevision', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='routingrulechange',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='bec08102311739216e43069d60ca2631e9c41986', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_ae1c6', table='routing_routingrulechange', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='routingrule',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "routing_routingrulechange" ("current_id", "is_active", "name", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "position") VALUES (NEW."current_id", NEW."is_active", NEW."name", NEW."owner_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."position"); RETURN NULL;', hash='98dd6c9f32857b4bf2b581c3aec99ac3d700dfdb', operation='INSERT', pgid='pgtrigger_insert_insert_dcbc6', table='routing_routingrule', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='routingrule',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."current_id" IS DISTINCT FROM (NEW."current_id") OR OLD."is_active" IS DISTINCT FROM (NEW."is_active") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."owner_id" IS DISTINCT FROM (NEW."owner_id") OR OLD."position" IS DISTINCT FROM (NEW."position"))', func='INSERT INTO "routing_routingrulechange" ("current_id", "is_active", "name", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "position") VALUES (NEW."current_id", NEW."is_active", NEW."name", NEW."owner_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."position"); RETURN NULL;', hash='368c4b497006680639b03008d0d55e85df9a2183', operation='UPDATE', pgid='pgtrigger_update_update_caee6', table='routing_routingrule', when='AFTER')),
        ),
        migrations.AddIndex(
            model_name='caseevent',
            index=models.Index(fields=['case', 'at'], name='event_of_case'),
        ),
        migrations.AddIndex(
            model_name='caseevent',
            index=models.Index(condition=models.Q(('kind', 'transferred')), fields=['by', 'case'], name='event_transferred'),
        ),
        migrations.AddIndex(
            model_name='caseevent',
            index=models.Index(condition=models.Q(('kind', 'transferred')), fields=['by', '-id'], include=('case',), name='event_handed_last'),
        ),
        migrations.AddIndex(
            model_name='caseevent',
            index=models.Index(condition=models.Q(('undoes__isnull', False)), fields=['by', 'undoes'], name='event_undoes'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='caseevent',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF TRUE THEN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF; RETURN OLD;", hash='a262eb6a2966b0ff85aea698ab35b494f2c92937', operation='DELETE', pgid='pgtrigger_no_delete_8660f', table='routing_caseevent', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='caseevent',
            trigger=pgtrigger.compiler.Trigger(name='no_update', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NOT (COALESCE(current_setting('scrm.erasing', true) = 'on', FALSE) AND (to_jsonb(NEW) - ARRAY['why', 'data', 'facts']::text[]) = (to_jsonb(OLD) - ARRAY['why', 'data', 'facts']::text[]) AND NEW.facts IN (OLD.facts, '{}'::jsonb)) THEN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF; RETURN NEW;", hash='d94b4ddac9d6413f8e60fb97f2ef993a2420df31', operation='UPDATE', pgid='pgtrigger_no_update_85cb6', table='routing_caseevent', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='savedview',
            constraint=models.UniqueConstraint(fields=('owner', 'name'), name='view_name_once'),
        ),
        migrations.AddConstraint(
            model_name='slapolicy',
            constraint=models.UniqueConstraint(fields=('department', 'priority'), name='target_once'),
        ),
        migrations.AddConstraint(
            model_name='slapolicy',
            constraint=models.CheckConstraint(condition=models.Q(('hours__gt', 0)), name='target_positive'),
        ),
        migrations.RunSQL(
            "CREATE STATISTICS case_whose (dependencies, mcv)"
            " ON department_id, assignee_id, status FROM routing_case",
            "DROP STATISTICS case_whose",
        ),
    ]
