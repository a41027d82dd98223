"""The check of the record check about due times."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from responses.record_check.base import Check

DUE_CHECKS = (
    Check(
        "due",
        _("Due times"),
        _("Every open case that waits for our answer has a due time, or has no target."),
        "Case {subject} waits for an answer. It has a target but no due time.",
        """
        SELECT c.id AS subject, c.id AS "case", min(i.id) AS interaction
        FROM routing_case c
        JOIN routing_responsetarget t
            ON t.department_id = c.department_id AND t.priority = c.priority
            AND CASE WHEN c.first_response_at IS NULL THEN t.first ELSE t.next END IS NOT NULL
        JOIN routing_caseconversation l ON l.case_id = c.id AND l.ended_at IS NULL
        JOIN crm_interaction i
            ON i.conversation_id = l.conversation_id AND i.direction = 'in' AND i.revises_id IS NULL
            AND i.kind <> 'automatic answer'
        LEFT JOIN routing_itemdecision d ON d.interaction_id = i.id AND d.withdrawn_at IS NULL
        WHERE c.due_at IS NULL AND c.status IN ('new', 'open', 'snoozed') AND d.id IS NULL
            AND NOT EXISTS (
                SELECT FROM routing_bystanderreply b WHERE b.interaction_id = i.id
            )
        GROUP BY c.id ORDER BY 1 LIMIT %(most)s
        """,
    ),
)
