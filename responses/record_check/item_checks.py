"""Checks of the record check about the items of cases."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from responses.record_check.base import Check

ITEM_CHECKS = (
    Check(
        "item",
        _("Decisions about messages"),
        _("Every message of a closed case was answered, or has a reason why it needs no answer."),
        "Interaction {subject} in the closed case {case} has no decision.",
        """
        SELECT i.id AS subject, i.id AS interaction, c.id AS "case", i.profile_id AS profile
        FROM routing_case c
        JOIN routing_caseconversation l ON l.case_id = c.id AND l.ended_at IS NULL
        JOIN crm_interaction i ON i.conversation_id = l.conversation_id
        LEFT JOIN routing_itemdecision d ON d.interaction_id = i.id AND d.withdrawn_at IS NULL
        WHERE c.status IN ('done', 'noise') AND i.direction = 'in' AND i.revises_id IS NULL
            AND i.kind <> 'automatic answer' AND d.id IS NULL
            AND NOT EXISTS (
                SELECT FROM routing_bystanderreply b WHERE b.interaction_id = i.id
            )
        ORDER BY 1 LIMIT %(most)s
        """,
    ),
)
