import django.db.models.deletion
from django.db import migrations, models

# The words of migration 0004.
SETTLED = "Settled before decisions were recorded for each item."

# A call that reached nobody answers nothing.
WITHDRAW = f"""
UPDATE routing_itemdecision decision SET withdrawn_at = now()
FROM crm_interaction o
WHERE o.id = decision.answered_by_id AND decision.withdrawn_at IS NULL
    AND decision.why = '{SETTLED}' AND o.kind = 'call' AND o.direction = 'out'
    AND COALESCE(o.details->'call'->>'outcome', '') <> 'reached'
"""

# Items without a decision are settled if their case was closed after them (unless that was undone),
# if it is closed or waits for a reply, or if we answered: a failed call, or another person than the
# case's, hid a later answer. What a user has withdrawn stays unanswered.
SETTLE = f"""
WITH waiting AS (
    SELECT i.id, l.case_id, c.status, reply.id AS reply, reply.recorded_at AS replied_at,
        closed.kind AS closed_as, closed.at AS closed_at
    FROM routing_caseconversation l
    JOIN routing_case c ON c.id = l.case_id
    JOIN crm_interaction i ON i.conversation_id = l.conversation_id
    LEFT JOIN LATERAL (
        SELECT o.id, o.recorded_at FROM crm_interaction o
        JOIN routing_caseconversation ours
            ON ours.conversation_id = o.conversation_id AND ours.ended_at IS NULL
        WHERE ours.case_id = l.case_id AND o.direction = 'out' AND o.profile_id IS NOT NULL
            AND o.id > i.id
            AND NOT (o.kind = 'call'
                AND COALESCE(o.details->'call'->>'outcome', '') <> 'reached')
            AND (i.profile_id IS DISTINCT FROM c.profile_id OR EXISTS (
                SELECT FROM routing_itemdecision d WHERE d.interaction_id = i.id))
        ORDER BY o.id LIMIT 1
    ) reply ON true
    LEFT JOIN LATERAL (
        SELECT e.kind, e.at FROM routing_caseevent e
        WHERE e.case_id = l.case_id AND e.kind IN ('done', 'noise') AND e.at >= i.recorded_at
            AND NOT EXISTS (
                SELECT FROM routing_caseevent u
                WHERE u.case_id = e.case_id AND u.kind = 'undone' AND u.undoes_id IS NULL
                    AND u.id > e.id AND u.at <= e.at + interval '10 minutes')
        ORDER BY e.id DESC LIMIT 1
    ) closed ON true
    WHERE l.ended_at IS NULL AND i.direction = 'in' AND i.kind <> 'automatic answer'
        AND NOT EXISTS (
            SELECT FROM routing_bystanderreply b WHERE b.interaction_id = i.id)
        AND NOT EXISTS (
            SELECT FROM routing_itemdecision d WHERE d.interaction_id = i.id
            AND (d.withdrawn_at IS NULL OR d.why <> '{SETTLED}' OR d.withdrawn_by_id IS NOT NULL))
)
INSERT INTO routing_itemdecision
    (interaction_id, case_id, outcome, reason, why, at, answered_by_id)
SELECT id, case_id,
    CASE WHEN reply IS NOT NULL OR (closed_as IS NULL AND status = 'waiting') THEN 'answered'
        WHEN COALESCE(closed_as, status) = 'noise' THEN 'noise' ELSE 'no reply' END,
    '', '{SETTLED}', COALESCE(replied_at, closed_at, now()), reply
FROM waiting
WHERE reply IS NOT NULL OR closed_as IS NOT NULL OR status IN ('done', 'noise', 'waiting')
"""


def recompute(apps, schema_editor):
    """Ask for new due times: other messages wait for an answer now."""
    owner = apps.get_model("crm", "User").objects.filter(is_active=True, role="admin").first()
    departments = apps.get_model("routing", "Case").objects.order_by().values_list("department")
    found = sorted({pk for (pk,) in departments.distinct()})
    if owner and found:
        apps.get_model("crm", "Job").objects.create(
            kind="routing.recompute_due_times", owner=owner, data={"departments": found}
        )


class Migration(migrations.Migration):

    dependencies = [
        ('crm', '0011_sensitive_notices'),
        ('routing', '0010_merging'),
    ]

    operations = [
        migrations.AddField(
            model_name='caseclock',
            name='item',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='crm.interaction'),
        ),
        migrations.RunSQL(WITHDRAW, migrations.RunSQL.noop),
        migrations.RunSQL(SETTLE, migrations.RunSQL.noop),
        migrations.RunPython(recompute, migrations.RunPython.noop),
    ]
