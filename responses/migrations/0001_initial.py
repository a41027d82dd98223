import pgtrigger.migrations
import pgtrigger.compiler

import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('crm', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ('listening', '0001_initial'),
        ('pghistory', '0007_auto_20250421_0444'),
        ('routing', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Response',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, unique=True)),
                ('audience', models.CharField(choices=[('one', 'One person'), ('few', 'A few named people'), ('many', 'Many')], max_length=4)),
                ('visibility', models.CharField(choices=[('private', 'Private: only the recipients see it'), ('public', 'Public: anyone can see it')], max_length=7)),
                ('subject', models.CharField(blank=True, max_length=300)),
                ('text', models.TextField()),
                ('versions', models.JSONField(default=dict)),
                ('send_at', models.DateTimeField(null=True)),
                ('state', models.CharField(choices=[('draft', 'Draft'), ('held', 'Held for approval'), ('released', 'Released'), ('cancelled', 'Cancelled')], default='draft', max_length=10)),
                ('verdict', models.JSONField(default=list)),
                ('to_review', models.BooleanField(default=False, verbose_name='is read afterwards')),
                ('reviewed_at', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('released_at', models.DateTimeField(null=True)),
                ('attachments', models.ManyToManyField(blank=True, related_name='responses', to='crm.attachment')),
                ('author', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='responses', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Campaign',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100, unique=True)),
                ('aim', models.TextField(verbose_name='goal')),
                ('starts_on', models.DateField(default=django.utils.timezone.localdate, verbose_name='from')),
                ('ends_on', models.DateField(blank=True, null=True, verbose_name='until')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('closed_at', models.DateTimeField(null=True)),
            ],
            options={
                'ordering': ['-starts_on', '-pk'],
            },
        ),
        migrations.CreateModel(
            name='CampaignChange',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('name', models.CharField(max_length=100)),
                ('aim', models.TextField(verbose_name='goal')),
                ('starts_on', models.DateField(default=django.utils.timezone.localdate, verbose_name='from')),
                ('ends_on', models.DateField(blank=True, null=True, verbose_name='until')),
                ('closed_at', models.DateTimeField(null=True)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='CampaignStatement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('added_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'ordering': ['-pk'],
            },
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('destination', models.CharField(blank=True, max_length=500)),
                ('act', models.CharField(choices=[('say', 'Delivery'), ('amend', 'Correction'), ('withdraw', 'Removal')], default='say', max_length=10)),
                ('why', models.TextField(blank=True)),
                ('state', models.CharField(choices=[('queued', 'Queued'), ('sending', 'Sending'), ('sent', 'Sent'), ('bounced', 'Bounced'), ('failed', 'Failed'), ('unknown', 'Unknown: it may or may not have been sent'), ('cancelled', 'Cancelled')], default='queued', max_length=10)),
                ('send_after', models.DateTimeField(null=True)),
                ('waits_since', models.DateTimeField(null=True, verbose_name='held back by the budget of its account since')),
                ('tried_at', models.DateTimeField(null=True, verbose_name='the last try')),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('attempt_id', models.UUIDField(null=True)),
                ('lease_until', models.DateTimeField(null=True)),
                ('settle_after', models.DateTimeField(null=True)),
                ('settled_at', models.DateTimeField(null=True, verbose_name='a human dealt with it')),
                ('scope', models.CharField(blank=True, max_length=600)),
                ('sent_key', models.CharField(blank=True, max_length=1000)),
                ('sent_at', models.DateTimeField(null=True)),
                ('url', models.CharField(blank=True, max_length=2000)),
                ('error', models.TextField(blank=True)),
                ('answer_due_at', models.DateTimeField(null=True)),
                ('silent_at', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name_plural': 'deliveries',
            },
        ),
        migrations.CreateModel(
            name='Draft',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('kind', models.CharField(max_length=20)),
                ('text', models.TextField(blank=True)),
                ('fields', models.JSONField(default=dict)),
                ('version', models.PositiveIntegerField(default=0)),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='Feedback',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('outcome', models.CharField(blank=True, choices=[('', 'Not judged yet'), ('thanks', 'Thanks'), ('angry', 'Angry'), ('neutral', 'Neutral')], default='', max_length=10)),
                ('proposed', models.CharField(blank=True, choices=[('', 'Not judged yet'), ('thanks', 'Thanks'), ('angry', 'Angry'), ('neutral', 'Neutral')], default='', max_length=10)),
                ('proposed_why', models.CharField(blank=True, default='', max_length=100)),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'verbose_name_plural': 'feedback',
                'ordering': ['-at'],
            },
        ),
        migrations.CreateModel(
            name='Gap',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('check_key', models.CharField(max_length=30)),
                ('subject', models.CharField(max_length=60)),
                ('there', models.JSONField(default=dict)),
                ('words', models.CharField(max_length=500)),
                ('opened_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('seen_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('closed_at', models.DateTimeField(null=True)),
            ],
            options={
                'ordering': ['-opened_at', '-pk'],
            },
        ),
        migrations.CreateModel(
            name='HistoryView',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=60)),
                ('query', models.CharField(max_length=1000)),
                ('is_shared', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'ordering': ['name', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='RecordCheck',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('attempt', models.PositiveIntegerField(default=0)),
                ('lease_until', models.DateTimeField(null=True)),
                ('night', models.DateField(null=True, unique=True)),
                ('asked_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('began_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('found', models.JSONField(default=dict)),
                ('missed', models.JSONField(default=dict)),
            ],
        ),
        migrations.CreateModel(
            name='ResponseEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('why', models.TextField()),
            ],
            options={
                'ordering': ['at', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='ResponseRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120, unique=True)),
                ('position', models.PositiveIntegerField(default=0)),
                ('is_active', models.BooleanField(default=True)),
                ('conditions', models.JSONField()),
                ('verdict', models.CharField(choices=[('allow', 'Allow'), ('review', 'Send, then review'), ('hold', 'Hold for approval'), ('require', 'Require specific wording'), ('move', 'Require another channel'), ('refuse', 'Refuse')], max_length=10)),
                ('reason', models.CharField(max_length=300, verbose_name='reason shown to the author')),
                ('move_to', models.CharField(blank=True, max_length=60, verbose_name='other channel')),
                ('wording', models.CharField(blank=True, max_length=300, verbose_name='required wording')),
                ('steps', models.CharField(choices=[('lead', 'A team lead'), ('supervisor', 'A supervisor'), ('lead supervisor', 'A team lead, then a supervisor')], default='lead', max_length=20, verbose_name='approvers')),
                ('within', models.PositiveSmallIntegerField(default=0, verbose_name='escalate after (hours)')),
                ('examples', models.JSONField(default=list)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'ordering': ['position', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='ResponseRuleChange',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('name', models.CharField(max_length=120)),
                ('position', models.PositiveIntegerField(default=0)),
                ('is_active', models.BooleanField(default=True)),
                ('conditions', models.JSONField()),
                ('verdict', models.CharField(choices=[('allow', 'Allow'), ('review', 'Send, then review'), ('hold', 'Hold for approval'), ('require', 'Require specific wording'), ('move', 'Require another channel'), ('refuse', 'Refuse')], max_length=10)),
                ('reason', models.CharField(max_length=300, verbose_name='reason shown to the author')),
                ('move_to', models.CharField(blank=True, max_length=60, verbose_name='other channel')),
                ('wording', models.CharField(blank=True, max_length=300, verbose_name='required wording')),
                ('steps', models.CharField(choices=[('lead', 'A team lead'), ('supervisor', 'A supervisor'), ('lead supervisor', 'A team lead, then a supervisor')], default='lead', max_length=20, verbose_name='approvers')),
                ('within', models.PositiveSmallIntegerField(default=0, verbose_name='escalate after (hours)')),
                ('examples', models.JSONField(default=list)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='SavedReply',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80, unique=True)),
                ('text', models.TextField()),
                ('is_active', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'verbose_name_plural': 'saved replies',
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='SavedReplyChange',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('name', models.CharField(max_length=80)),
                ('text', models.TextField()),
                ('is_active', models.BooleanField(default=True)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Trouble',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('began_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('ended_at', models.DateTimeField(null=True)),
                ('told_at', models.DateTimeField(null=True)),
                ('words', models.CharField(max_length=300)),
            ],
            options={
                'ordering': ['began_at'],
            },
        ),
        migrations.CreateModel(
            name='Approval',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('content_hash', models.CharField(max_length=64)),
                ('approved', models.BooleanField()),
                ('self_approved', models.BooleanField(default=False)),
                ('step', models.CharField(blank=True, max_length=10)),
                ('reason', models.TextField(blank=True)),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['at'],
            },
        ),
        migrations.CreateModel(
            name='ApprovalRequest',
            fields=[
                ('response', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='approval_request', serialize=False, to='responses.response')),
                ('steps', models.JSONField(default=list)),
                ('decide_by', models.DateTimeField(null=True)),
                ('escalated_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.AddField(
            model_name='response',
            name='case',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='responses', to='routing.case'),
        ),
        migrations.AddField(
            model_name='response',
            name='corrects',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='corrections', to='responses.response'),
        ),
        migrations.AddField(
            model_name='response',
            name='decision',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='responses', to='routing.decision'),
        ),
        migrations.AddField(
            model_name='response',
            name='department',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='responses', to='crm.department'),
        ),
        migrations.AddField(
            model_name='response',
            name='in_reply_to',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='crm.interaction'),
        ),
        migrations.AddField(
            model_name='response',
            name='issue',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='responses', to='routing.issue'),
        ),
        migrations.AddField(
            model_name='response',
            name='reviewed_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='response',
            name='seen',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='crm.interaction'),
        ),
        migrations.AddField(
            model_name='approval',
            name='response',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='approvals', to='responses.response'),
        ),
        migrations.AddField(
            model_name='campaign',
            name='department',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='campaigns', to='crm.department'),
        ),
        migrations.AddField(
            model_name='campaign',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='campaigns', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='campaign',
            name='topic',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='campaign', to='listening.topic'),
        ),
        migrations.AddField(
            model_name='campaignchange',
            name='department',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='crm.department'),
        ),
        migrations.AddField(
            model_name='campaignchange',
            name='owner',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='campaignchange',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='campaignchange',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='name_aim_owner_department_starts_on_ends_on_closed_at_events', to='responses.campaign'),
        ),
        migrations.AddField(
            model_name='campaignstatement',
            name='added_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='campaignstatement',
            name='campaign',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='links', to='responses.campaign'),
        ),
        migrations.AddField(
            model_name='campaignstatement',
            name='statement',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='campaign_link', to='responses.response'),
        ),
        migrations.AddField(
            model_name='delivery',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='crm.account'),
        ),
        migrations.AddField(
            model_name='delivery',
            name='amends',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='changes', to='responses.delivery'),
        ),
        migrations.AddField(
            model_name='delivery',
            name='by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='delivery',
            name='conversation',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='crm.conversation'),
        ),
        migrations.AddField(
            model_name='delivery',
            name='doubted_in',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='crm.pause', verbose_name='the hold of a restored database that made it unknown'),
        ),
        migrations.AddField(
            model_name='delivery',
            name='interaction',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='crm.interaction'),
        ),
        migrations.AddField(
            model_name='delivery',
            name='profile',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='crm.profile'),
        ),
        migrations.AddField(
            model_name='delivery',
            name='replaces',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='replaced_by', to='responses.delivery'),
        ),
        migrations.AddField(
            model_name='delivery',
            name='response',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='responses.response'),
        ),
        migrations.AddField(
            model_name='draft',
            name='author',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='drafts', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='draft',
            name='case',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='drafts', to='routing.case'),
        ),
        migrations.AddField(
            model_name='draft',
            name='issue',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='drafts', to='routing.issue'),
        ),
        migrations.AddField(
            model_name='feedback',
            name='delivery',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='feedback', to='responses.delivery'),
        ),
        migrations.AddField(
            model_name='feedback',
            name='interaction',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='feedback', to='crm.interaction'),
        ),
        migrations.AddField(
            model_name='feedback',
            name='judged_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='feedback',
            name='response',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='feedback', to='responses.response'),
        ),
        migrations.AddIndex(
            model_name='gap',
            index=models.Index(fields=['-closed_at'], name='gap_closed'),
        ),
        migrations.AddConstraint(
            model_name='gap',
            constraint=models.UniqueConstraint(condition=models.Q(('closed_at', None)), fields=('check_key', 'subject'), name='gap_open_once'),
        ),
        migrations.AddField(
            model_name='historyview',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='history_views', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='recordcheck',
            name='by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='responseevent',
            name='by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='responseevent',
            name='response',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='events', to='responses.response'),
        ),
        migrations.AddField(
            model_name='responserule',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='response_rules', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='responserulechange',
            name='owner',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='responserulechange',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='responserulechange',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='name_owner_position_is_active_conditions_verdict_reason_move_to_wording_steps_within_examples_events', to='responses.responserule'),
        ),
        migrations.AddField(
            model_name='savedreply',
            name='department',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='saved_replies', to='crm.department'),
        ),
        migrations.AddField(
            model_name='savedreply',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='saved_replies', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='savedreplychange',
            name='department',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='crm.department'),
        ),
        migrations.AddField(
            model_name='savedreplychange',
            name='owner',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='savedreplychange',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='savedreplychange',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='name_text_department_owner_is_active_events', to='responses.savedreply'),
        ),
        migrations.AddField(
            model_name='trouble',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='troubles', to='crm.account'),
        ),
        migrations.AddIndex(
            model_name='approvalrequest',
            index=models.Index(condition=models.Q(('decide_by__isnull', False), ('escalated_at', None)), fields=['decide_by'], name='approval_undecided'),
        ),
        migrations.AddIndex(
            model_name='response',
            index=models.Index(fields=['-created_at'], name='response_history'),
        ),
        migrations.AddIndex(
            model_name='response',
            index=models.Index(condition=models.Q(('state', 'held')), fields=['department'], name='response_held'),
        ),
        migrations.AddIndex(
            model_name='response',
            index=models.Index(condition=models.Q(('reviewed_at', None), ('to_review', True)), fields=['department'], name='response_to_review'),
        ),
        migrations.AddIndex(
            model_name='response',
            index=models.Index(condition=models.Q(('send_at__isnull', False)), fields=['send_at'], name='response_planned'),
        ),
        migrations.AddConstraint(
            model_name='response',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('audience', 'many'), ('visibility', 'public')), models.Q(('audience', 'many'), _negated=True), _connector='OR'), name='to_many_is_public'),
        ),
        migrations.AddConstraint(
            model_name='response',
            constraint=models.CheckConstraint(condition=models.Q(('case__isnull', False), ('issue__isnull', False), _connector='OR'), name='response_about_something'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='response',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF TRUE THEN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF; RETURN OLD;", hash='1aed7ab1c931174560829e145803bd990da52dc6', operation='DELETE', pgid='pgtrigger_no_delete_560b0', table='responses_response', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='response',
            trigger=pgtrigger.compiler.Trigger(name='frozen', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF (NEW.state = 'draft' AND OLD.state NOT IN ('draft', 'held')) OR ((NEW.text IS DISTINCT FROM OLD.text OR NEW.subject IS DISTINCT FROM OLD.subject OR NEW.audience IS DISTINCT FROM OLD.audience OR NEW.visibility IS DISTINCT FROM OLD.visibility OR NEW.author_id IS DISTINCT FROM OLD.author_id OR NEW.versions IS DISTINCT FROM OLD.versions OR NEW.send_at IS DISTINCT FROM OLD.send_at) AND NOT (OLD.state = 'draft') AND NOT COALESCE(current_setting('scrm.erasing', true) = 'on', FALSE)) THEN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF; RETURN NEW;", hash='7967832b744e22a9c2cbaf7d9af869e08b72920e', operation='UPDATE', pgid='pgtrigger_frozen_8491b', table='responses_response', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='approval',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF TRUE THEN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF; RETURN OLD;", hash='74eff67f32ee7ab84f11a98d4712421f623473ce', operation='DELETE', pgid='pgtrigger_no_delete_d8434', table='responses_approval', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='approval',
            trigger=pgtrigger.compiler.Trigger(name='no_update', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NOT (COALESCE(current_setting('scrm.erasing', true) = 'on', FALSE) AND (to_jsonb(NEW) - ARRAY['reason']::text[]) = (to_jsonb(OLD) - ARRAY['reason']::text[])) THEN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF; RETURN NEW;", hash='3644de29d7bccebc488b03d80d2d25ab7e953e04', operation='UPDATE', pgid='pgtrigger_no_update_6f2ac', table='responses_approval', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='campaign',
            constraint=models.CheckConstraint(condition=models.Q(('ends_on', None), ('ends_on__gte', models.F('starts_on')), _connector='OR'), name='campaign_ends_after_it_starts'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='campaign',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "responses_campaignchange" ("aim", "closed_at", "department_id", "ends_on", "name", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "starts_on") VALUES (NEW."aim", NEW."closed_at", NEW."department_id", NEW."ends_on", NEW."name", NEW."owner_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."starts_on"); RETURN NULL;', hash='7994a0baaf5893cf9bc4dfb6938bec4378ffa2d5', operation='INSERT', pgid='pgtrigger_insert_insert_ae071', table='responses_campaign', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='campaign',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."aim" IS DISTINCT FROM (NEW."aim") OR OLD."closed_at" IS DISTINCT FROM (NEW."closed_at") OR OLD."department_id" IS DISTINCT FROM (NEW."department_id") OR OLD."ends_on" IS DISTINCT FROM (NEW."ends_on") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."owner_id" IS DISTINCT FROM (NEW."owner_id") OR OLD."starts_on" IS DISTINCT FROM (NEW."starts_on"))', func='INSERT INTO "responses_campaignchange" ("aim", "closed_at", "department_id", "ends_on", "name", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "starts_on") VALUES (NEW."aim", NEW."closed_at", NEW."department_id", NEW."ends_on", NEW."name", NEW."owner_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."starts_on"); RETURN NULL;', hash='db7405bea6b40dd0c40e788d587d2bcee58d1a92', operation='UPDATE', pgid='pgtrigger_update_update_fa3fb', table='responses_campaign', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='campaignchange',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='91dd7bff6018d1f8518e7088b1046e4374e3f69a', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_49074', table='responses_campaignchange', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('tried_at__isnull', False)), fields=['account', '-tried_at'], name='delivery_tried'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['tried_at'], name='delivery_tried_lately'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state', 'queued')), fields=['send_after'], name='delivery_due'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state', 'sending')), fields=['lease_until'], name='delivery_leaving'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('sent_key', ''), _negated=True), fields=['scope', 'sent_key'], name='delivery_sent'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('settled_at', None), ('state__in', ['queued', 'failed', 'unknown', 'bounced'])), fields=['state'], name='delivery_unsettled'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('answer_due_at__isnull', False)), fields=['answer_due_at'], name='delivery_unanswered'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('silent_at__isnull', False)), fields=['response'], name='delivery_silent'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(condition=models.Q(('amends', None), ('replaces', None)), fields=('response', 'account', 'destination'), name='delivery_once_a_place'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(condition=models.Q(('amends__isnull', False), ('replaces', None), models.Q(('state', 'cancelled'), _negated=True)), fields=('response', 'amends'), name='delivery_changes_once'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('act', 'say'), ('amends', None)), models.Q(models.Q(('act', 'say'), _negated=True), ('amends__isnull', False)), _connector='OR'), name='delivery_changes_something'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'sent'), _negated=True), models.Q(('interaction__isnull', False), ('sent_at__isnull', False)), _connector='OR'), name='sent_is_in_the_ledger'),
        ),
        migrations.AddIndex(
            model_name='draft',
            index=models.Index(fields=['author', '-updated_at'], name='draft_of_author'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=models.UniqueConstraint(condition=models.Q(('issue', None)), fields=('case', 'kind', 'author'), name='draft_of_case'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=models.UniqueConstraint(condition=models.Q(('case', None)), fields=('issue', 'kind', 'author'), name='draft_of_issue'),
        ),
        migrations.AddConstraint(
            model_name='feedback',
            constraint=models.CheckConstraint(condition=models.Q(('outcome', ''), ('judged_by__isnull', False), _connector='OR'), name='judged_by_a_human'),
        ),
        migrations.AddConstraint(
            model_name='historyview',
            constraint=models.UniqueConstraint(fields=('owner', 'name'), name='history_view_name_once'),
        ),
        migrations.AddIndex(
            model_name='recordcheck',
            index=models.Index(condition=models.Q(('ended_at', None)), fields=['id'], name='record_check_due'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='responseevent',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF TRUE THEN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF; RETURN OLD;", hash='0dea84672a73d0a0644b4dd6969bb1da71c92516', operation='DELETE', pgid='pgtrigger_no_delete_41f43', table='responses_responseevent', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='responseevent',
            trigger=pgtrigger.compiler.Trigger(name='no_update', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NOT (COALESCE(current_setting('scrm.erasing', true) = 'on', FALSE) AND (to_jsonb(NEW) - ARRAY['why']::text[]) = (to_jsonb(OLD) - ARRAY['why']::text[])) THEN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF; RETURN NEW;", hash='b469d740fb584ae295c9fefdcab289df14799147', operation='UPDATE', pgid='pgtrigger_no_update_4e4c1', table='responses_responseevent', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='responserule',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "responses_responserulechange" ("conditions", "examples", "is_active", "move_to", "name", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "position", "reason", "steps", "verdict", "within", "wording") VALUES (NEW."conditions", NEW."examples", NEW."is_active", NEW."move_to", NEW."name", NEW."owner_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."position", NEW."reason", NEW."steps", NEW."verdict", NEW."within", NEW."wording"); RETURN NULL;', hash='757ad5491d9552da1a4784ddb389bf474cf54c72', operation='INSERT', pgid='pgtrigger_insert_insert_48a2c', table='responses_responserule', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='responserule',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."conditions" IS DISTINCT FROM (NEW."conditions") OR OLD."examples" IS DISTINCT FROM (NEW."examples") OR OLD."is_active" IS DISTINCT FROM (NEW."is_active") OR OLD."move_to" IS DISTINCT FROM (NEW."move_to") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."owner_id" IS DISTINCT FROM (NEW."owner_id") OR OLD."position" IS DISTINCT FROM (NEW."position") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."steps" IS DISTINCT FROM (NEW."steps") OR OLD."verdict" IS DISTINCT FROM (NEW."verdict") OR OLD."within" IS DISTINCT FROM (NEW."within") OR OLD."wording" IS DISTINCT FROM (NEW."wording"))', func='INSERT INTO "responses_responserulechange" ("conditions", "examples", "is_active", "move_to", "name", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "position", "reason", "steps", "verdict", "within", "wording") VALUES (NEW."conditions", NEW."examples", NEW."is_active", NEW."move_to", NEW."name", NEW."owner_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."position", NEW."reason", NEW."steps", NEW."verdict", NEW."within", NEW."wording"); RETURN NULL;', hash='4ec8ab471882d28695a782fa01ff1f8170d93b17', operation='UPDATE', pgid='pgtrigger_update_update_1f85c', table='responses_responserule', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='responserulechange',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='d7955f92826b0fedae82b6112357b32133933f9f', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_89890', table='responses_responserulechange', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='savedreply',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "responses_savedreplychange" ("department_id", "is_active", "name", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "text") VALUES (NEW."department_id", NEW."is_active", NEW."name", NEW."owner_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."text"); RETURN NULL;', hash='ac4c9422ad274cd3146dbc050bf4875863e1df93', operation='INSERT', pgid='pgtrigger_insert_insert_95db7', table='responses_savedreply', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='savedreply',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."department_id" IS DISTINCT FROM (NEW."department_id") OR OLD."is_active" IS DISTINCT FROM (NEW."is_active") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."owner_id" IS DISTINCT FROM (NEW."owner_id") OR OLD."text" IS DISTINCT FROM (NEW."text"))', func='INSERT INTO "responses_savedreplychange" ("department_id", "is_active", "name", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "text") VALUES (NEW."department_id", NEW."is_active", NEW."name", NEW."owner_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."text"); RETURN NULL;', hash='aebe9657dc813bfb934e17470f47c7f53aec33a0', operation='UPDATE', pgid='pgtrigger_update_update_aa411', table='responses_savedreply', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='savedreplychange',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='efe4e96c2840e54237f3b1cb0aa38576c9f42efb', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_6a9ef', table='responses_savedreplychange', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='trouble',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('account',), name='one_trouble_an_account'),
        ),
    ]
