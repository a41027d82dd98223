import datetime
import django.db.models.deletion
import django.db.models.functions.comparison
import django.utils.timezone
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('crm', '0007_clock_notices'),
        ('routing', '0004_item_decisions'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Calendar',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120, unique=True)),
                ('is_default', models.BooleanField(default=False)),
            ],
            options={
                'ordering': ['-is_default', 'name'],
            },
        ),
        migrations.CreateModel(
            name='CalendarRevision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('zone', models.CharField(max_length=60)),
                ('week', models.JSONField()),
                ('holidays', models.JSONField(default=list)),
                ('snooze_pauses', models.BooleanField(default=False)),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='CalendarUse',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
            ],
        ),
        migrations.CreateModel(
            name='CaseClock',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('first', 'First response'), ('next', 'Next response'), ('resolution', 'Resolution')], max_length=10)),
                ('target_s', models.PositiveIntegerField(null=True)),
                ('spent_s', models.FloatField(default=0)),
                ('running_since', models.DateTimeField(null=True)),
                ('due_at', models.DateTimeField(null=True)),
                ('warn_at', models.DateTimeField(null=True)),
                ('warned_at', models.DateTimeField(null=True)),
                ('breached_at', models.DateTimeField(null=True)),
                ('stopped_at', models.DateTimeField(null=True)),
                ('heard_late', models.BooleanField(default=False)),
                ('announced_at', models.DateTimeField(null=True)),
                ('by_window', models.BooleanField(default=False)),
            ],
        ),
        migrations.CreateModel(
            name='ResponseTarget',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('priority', models.CharField(max_length=10)),
                ('first', models.PositiveIntegerField(null=True)),
                ('next', models.PositiveIntegerField(null=True)),
                ('resolution', models.PositiveIntegerField(null=True)),
            ],
        ),
        migrations.AddField(
            model_name='case',
            name='due_sort',
            field=models.GeneratedField(db_persist=True, expression=django.db.models.functions.comparison.Coalesce('due_at', models.Value(datetime.datetime(9999, 12, 31, 0, 0, tzinfo=datetime.timezone.utc), output_field=models.DateTimeField())), output_field=models.DateTimeField()),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('status__in', ['new', 'open'])), fields=['department', 'due_sort', 'id'], name='case_due'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('status__in', ['new', 'open'])), fields=['due_sort', 'id'], name='case_due_everywhere'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('status__in', ['new', 'open']), ('assignee', None)), fields=['department', 'due_sort', 'id'], name='case_due_free'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('status__in', ['new', 'open'])), fields=['assignee', 'due_sort', 'id'], name='case_due_mine'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('status', 'snoozed')), fields=['department', 'due_sort', 'id'], name='case_due_snoozed'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('status', 'snoozed')), fields=['due_sort', 'id'], name='case_due_asleep'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(fields=['due_sort', 'id'], name='case_due_any'),
        ),
        migrations.AddField(
            model_name='calendar',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='calendars', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='calendarrevision',
            name='by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='calendarrevision',
            name='calendar',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='revisions', to='routing.calendar'),
        ),
        migrations.AddField(
            model_name='calendar',
            name='current',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='current_of', to='routing.calendarrevision'),
        ),
        migrations.AddField(
            model_name='calendaruse',
            name='calendar',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='uses', to='routing.calendar'),
        ),
        migrations.AddField(
            model_name='calendaruse',
            name='department',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='calendar_use', to='crm.department'),
        ),
        migrations.AddField(
            model_name='caseclock',
            name='case',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='clocks', to='routing.case'),
        ),
        migrations.AddField(
            model_name='caseclock',
            name='revision',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='routing.calendarrevision'),
        ),
        migrations.AddField(
            model_name='responsetarget',
            name='department',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='targets', to='crm.department'),
        ),
        migrations.AddConstraint(
            model_name='calendarrevision',
            constraint=models.UniqueConstraint(fields=('calendar', 'number'), name='revision_of_calendar_once'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='calendarrevision',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF TRUE THEN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF; RETURN OLD;", hash='ba18e505eae9729fb3a6cedfc60daedad923e610', operation='DELETE', pgid='pgtrigger_no_delete_5fb83', table='routing_calendarrevision', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='calendarrevision',
            trigger=pgtrigger.compiler.Trigger(name='no_update', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NOT (COALESCE(current_setting('scrm.erasing', true) = 'on', FALSE) AND (to_jsonb(NEW) - ARRAY[]::text[]) = (to_jsonb(OLD) - ARRAY[]::text[])) THEN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF; RETURN NEW;", hash='db3d0d8177890264e4949117fc49456a076796b4', operation='UPDATE', pgid='pgtrigger_no_update_fb669', table='routing_calendarrevision', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='calendar',
            constraint=models.UniqueConstraint(condition=models.Q(('is_default', True)), fields=('is_default',), name='one_default_calendar'),
        ),
        migrations.AddIndex(
            model_name='caseclock',
            index=models.Index(fields=['case', 'kind', '-id'], name='clock_of_case'),
        ),
        migrations.AddIndex(
            model_name='caseclock',
            index=models.Index(condition=models.Q(('stopped_at', None), ('warn_at__isnull', False), ('warned_at', None)), fields=['warn_at'], name='clock_to_warn'),
        ),
        migrations.AddIndex(
            model_name='caseclock',
            index=models.Index(condition=models.Q(('breached_at', None), ('due_at__isnull', False), ('stopped_at', None)), fields=['due_at'], name='clock_to_breach'),
        ),
        migrations.AddIndex(
            model_name='caseclock',
            index=models.Index(condition=models.Q(('announced_at', None), ('heard_late', True), ('stopped_at', None)), fields=['id'], name='clock_to_announce'),
        ),
        migrations.AddConstraint(
            model_name='caseclock',
            constraint=models.UniqueConstraint(condition=models.Q(('stopped_at', None)), fields=('case', 'kind'), name='one_clock_of_a_kind'),
        ),
        migrations.AddConstraint(
            model_name='responsetarget',
            constraint=models.UniqueConstraint(fields=('department', 'priority'), name='targets_once'),
        ),
        migrations.AddConstraint(
            model_name='responsetarget',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('first', 0), _negated=True), models.Q(('next', 0), _negated=True), models.Q(('resolution', 0), _negated=True)), name='targets_positive'),
        ),
        migrations.RunSQL(
            "INSERT INTO routing_responsetarget (department_id, priority, first, next) "
            "SELECT department_id, priority, minutes, minutes FROM (SELECT department_id, priority, "
            "greatest(1, round(hours * 60))::integer AS minutes FROM routing_slapolicy) AS policy",
            migrations.RunSQL.noop,
        ),
        migrations.DeleteModel(
            name='SlaPolicy',
        ),
        # Open cases keep their due times; those that are overdue raise no alarm again.
        migrations.RunSQL(
            "INSERT INTO routing_caseclock (case_id, kind, target_s, spent_s, running_since, due_at, "
            "warn_at, warned_at, breached_at, heard_late, by_window) "
            "SELECT id, CASE WHEN first_response_at IS NULL THEN 'first' ELSE 'next' END, "
            "greatest(0, extract(epoch FROM due_at - opened_at))::integer, 0, "
            "least(COALESCE(last_inbound_at, opened_at), due_at), due_at, "
            "due_at - interval '15 minutes', "
            "CASE WHEN due_at < now() THEN now() END, CASE WHEN due_at < now() THEN now() END, "
            "false, false FROM routing_case "
            "WHERE due_at IS NOT NULL AND status IN ('new', 'open', 'waiting', 'snoozed')",
            migrations.RunSQL.noop,
        ),
    ]
