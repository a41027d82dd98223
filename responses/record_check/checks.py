"""The checks of the record check, one for each link from a mention to decisions and feedback.

Each check is one SQL query that returns the rows where a link is broken. Most joins use columns
that have an index. If a row is missing, several other rows can refer to it, but only one check
reports the gap. The column `subject` identifies the row that lacks something, or the missing row
itself. The other columns are neighbouring rows, or NULL.

The checks do not notice if one of the following rows is missing:

- a delivery of a draft or of a held response
- one of several deliveries of a response, if that delivery was neither sent nor approved
- an approval of a response that was sent back later
- a match

A text that was erased on request is not a gap.
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from responses.record_check.base import Check
from responses.record_check.due_checks import DUE_CHECKS
from responses.record_check.item_checks import ITEM_CHECKS

CHECKS = (
    Check(
        "fetch",
        _("Fetch of a mention"),
        _("Every mention has the fetch that found it."),
        "Fetch {subject} is missing. It found a mention of this case.",
        """
        SELECT m.fetch_id AS subject, max(m.interaction_id) AS interaction,
            max(i.conversation_id) AS conversation
        FROM listening_mention m
        LEFT JOIN listening_fetch p ON p.id = m.fetch_id
        LEFT JOIN crm_interaction i ON i.id = m.interaction_id
        WHERE p.id IS NULL GROUP BY m.fetch_id ORDER BY 1 LIMIT %(most)s
        """,
    ),
    Check(
        "sighting",
        _("Source of a mention"),
        _("Every mention has a source."),
        "Mention {subject} has no source.",
        """
        SELECT m.id AS subject, m.interaction_id AS interaction,
            i.conversation_id AS conversation
        FROM listening_mention m
        LEFT JOIN listening_sighting s ON s.mention_id = m.id
        LEFT JOIN crm_interaction i ON i.id = m.interaction_id
        WHERE s.id IS NULL ORDER BY 1 LIMIT %(most)s
        """,
    ),
    Check(
        "mention",
        _("Mention of an interaction"),
        _("Every interaction from a monitored channel has its original mention."),
        "The mention of interaction {subject} is missing.",
        """
        SELECT i.id AS subject, i.id AS interaction, i.profile_id AS profile,
            i.conversation_id AS conversation
        FROM crm_interaction i LEFT JOIN listening_mention m ON m.interaction_id = i.id
        WHERE i.direction = 'in' AND i.revises_id IS NULL AND i.channel = ANY(%(heard)s)
            AND m.id IS NULL
        ORDER BY 1 LIMIT %(most)s
        """,
    ),
    Check(
        "incoming",
        _("Incoming interactions"),
        _("Every interaction of a mention, case, response or feedback is in the ledger."),
        "Incoming interaction {subject} is missing from the ledger.",
        """
        SELECT named.id AS subject, max(named."case") AS "case",
            COALESCE(max(named.response), max(r.id)) AS response
        FROM (
            SELECT interaction_id AS id, NULL::bigint AS "case", NULL::bigint AS response
                FROM listening_mention WHERE interaction_id IS NOT NULL
            UNION ALL SELECT last_inbound_id, id, NULL FROM routing_case
            UNION ALL SELECT in_reply_to_id, case_id, id FROM responses_response
            UNION ALL SELECT interaction_id, NULL, response_id FROM responses_feedback
        ) named
        LEFT JOIN crm_interaction i ON i.id = named.id
        LEFT JOIN responses_response r ON r.in_reply_to_id = named.id
        WHERE named.id IS NOT NULL AND i.id IS NULL AND NOT EXISTS (
            SELECT FROM responses_delivery d WHERE d.interaction_id = named.id
        ) GROUP BY named.id ORDER BY 1 LIMIT %(most)s
        """,
    ),
    Check(
        "conversation",
        _("Conversation of an interaction"),
        _("Every interaction has a conversation."),
        "Conversation {subject} is missing, but its interactions exist.",
        """
        SELECT i.conversation_id AS subject, max(i.id) AS interaction,
            i.conversation_id AS conversation
        FROM crm_interaction i LEFT JOIN crm_conversation c ON c.id = i.conversation_id
        WHERE c.id IS NULL GROUP BY i.conversation_id ORDER BY 1 LIMIT %(most)s
        """,
    ),
    Check(
        "profile",
        _("Profile of an interaction"),
        _("Every interaction with an outside party has its profile."),
        "Profile {subject} is missing, but its interactions exist.",
        """
        SELECT i.profile_id AS subject, max(i.id) AS interaction,
            max(i.conversation_id) AS conversation
        FROM crm_interaction i LEFT JOIN crm_profile p ON p.id = i.profile_id
        WHERE i.profile_id IS NOT NULL AND p.id IS NULL
        GROUP BY i.profile_id ORDER BY 1 LIMIT %(most)s
        """,
    ),
    Check(
        "in_case",
        _("Case of a conversation"),
        _(
            "Every incoming message and every answer belongs to a case, or is a bystander's reply "
            "on one."
        ),
        "Conversation {subject} belongs to no case.",
        """
        SELECT talk.id AS subject, max(talk.interaction) AS interaction,
            max(talk."case") AS "case", max(talk.response) AS response
        FROM (
            SELECT i.conversation_id AS id, i.id AS interaction, r.id AS response,
                COALESCE(r.case_id, c.id) AS "case"
            FROM crm_interaction i
            LEFT JOIN routing_caseconversation l
                ON l.conversation_id = i.conversation_id AND l.ended_at IS NULL
            LEFT JOIN responses_response r ON r.in_reply_to_id = i.id
            LEFT JOIN routing_case c ON c.last_inbound_id = i.id
            LEFT JOIN routing_itemdecision o ON o.interaction_id = i.id
                AND o.withdrawn_at IS NULL AND o.case_id IS NULL
            LEFT JOIN routing_bystanderreply below ON below.interaction_id = i.id
            WHERE i.direction = 'in' AND i.revises_id IS NULL AND l.id IS NULL
                AND i.kind <> 'automatic answer'
                AND o.id IS NULL AND below.id IS NULL
            UNION ALL
            SELECT i.conversation_id, i.id, r.id, r.case_id
            FROM responses_delivery d
            JOIN responses_response r ON r.id = d.response_id
            JOIN crm_interaction i ON i.id = d.interaction_id
            LEFT JOIN routing_caseconversation l
                ON l.conversation_id = i.conversation_id AND l.ended_at IS NULL
            WHERE r.case_id IS NOT NULL AND r.audience <> 'many' AND l.id IS NULL
        ) talk GROUP BY talk.id ORDER BY 1 LIMIT %(most)s
        """,
    ),
    Check(
        "case",
        _("Cases"),
        _("Every case of a conversation, decision or response exists."),
        "Case {subject} is missing.",
        """
        SELECT named.id AS subject, max(named.response) AS response
        FROM (
            SELECT case_id AS id, NULL::bigint AS response FROM routing_caseconversation
            UNION ALL SELECT case_id, NULL FROM routing_decision
            UNION ALL SELECT case_id, id FROM responses_response
        ) named LEFT JOIN routing_case c ON c.id = named.id
        WHERE named.id IS NOT NULL AND c.id IS NULL GROUP BY named.id ORDER BY 1 LIMIT %(most)s
        """,
    ),
    Check(
        "routed",
        _("Routing of a case"),
        _("Every case was routed, or split off from another case."),
        "Case {subject} has no routing event.",
        """
        SELECT c.id AS subject, c.id AS "case"
        FROM routing_case c
        LEFT JOIN routing_caseevent e ON e.case_id = c.id AND e.kind IN ('routed', 'split')
        WHERE e.id IS NULL ORDER BY 1 LIMIT %(most)s
        """,
    ),
    Check(
        "decided",
        _("Decisions in the case history"),
        _("Every decision about a case is in the case history."),
        "Case {subject}: {lacking} of its decisions are missing from its history.",
        """
        SELECT made."case" AS subject, made."case", made.n - COALESCE(noted.n, 0) AS lacking
        FROM (
            SELECT case_id AS "case", count(*) AS n FROM routing_decision
            WHERE case_id IS NOT NULL GROUP BY 1
        ) made
        JOIN routing_case c ON c.id = made."case"
        LEFT JOIN (
            SELECT case_id, count(*) AS n FROM routing_caseevent WHERE kind = 'decided' GROUP BY 1
        ) noted ON noted.case_id = made."case"
        WHERE COALESCE(noted.n, 0) < made.n ORDER BY 1 LIMIT %(most)s
        """,
    ),
    Check(
        "decision",
        _("Decisions"),
        _("Every response and every decision event of a case has its decision."),
        "The decision of {subject} is missing.",
        """
        SELECT 'response ' || r.id AS subject, r.id AS response, r.case_id AS "case"
        FROM responses_response r LEFT JOIN routing_decision d ON d.id = r.decision_id
        WHERE d.id IS NULL
        UNION ALL
        SELECT 'case ' || noted.case_id, NULL, noted.case_id
        FROM (
            SELECT case_id, count(*) AS n FROM routing_caseevent WHERE kind = 'decided' GROUP BY 1
        ) noted
        LEFT JOIN (
            SELECT case_id, count(*) AS n FROM routing_decision GROUP BY 1
        ) made ON made.case_id = noted.case_id
        LEFT JOIN (
            SELECT r.case_id, count(DISTINCT r.decision_id) AS n
            FROM responses_response r LEFT JOIN routing_decision d ON d.id = r.decision_id
            WHERE d.id IS NULL GROUP BY 1
        ) lost ON lost.case_id = noted.case_id
        WHERE noted.n > COALESCE(made.n, 0) + COALESCE(lost.n, 0)
        ORDER BY 1 LIMIT %(most)s
        """,
    ),
    Check(
        "response",
        _("Responses"),
        _("Every decision to answer has its response."),
        "The response of decision {subject} is missing.",
        """
        SELECT d.id AS subject, d.case_id AS "case"
        FROM routing_decision d LEFT JOIN responses_response r ON r.decision_id = d.id
        WHERE d.outcome <> 'none' AND r.id IS NULL
        ORDER BY 1 LIMIT %(most)s
        """,
    ),
    Check(
        "signatures",
        _("Approvals"),
        _(
            "Every response that a rule held was sent with all approvals of its text and "
            "recipients."
        ),
        "Response {subject} was held by a rule, but the sent version was not approved.",
        """
        SELECT r.id AS subject, r.id AS response, r.case_id AS "case",
            r.text, r.subject AS title, r.audience, r.versions, to_jsonb(r.copies) AS copies,
            r.visibility || CASE WHEN r.is_quote THEN ' quote' ELSE '' END AS visibility,
            COALESCE((SELECT steps FROM responses_approvalrequest q WHERE q.response_id = r.id),
                '[]'::jsonb) AS steps,
            COALESCE(signed.hashes, '[]'::jsonb) AS signed, places.all_of_them AS places,
            COALESCE((
                SELECT jsonb_agg(a.uuid) FROM responses_response_attachments t
                JOIN crm_attachment a ON a.id = t.attachment_id WHERE t.response_id = r.id
            ), '[]'::jsonb) AS files
        FROM responses_response r
        JOIN LATERAL (
            SELECT jsonb_agg(jsonb_build_array(d.account_id, d.destination)) AS all_of_them
            FROM responses_delivery d WHERE d.response_id = r.id AND d.replaces_id IS NULL
                AND d.act <> 'withdraw'
        ) places ON places.all_of_them IS NOT NULL
        LEFT JOIN LATERAL (
            SELECT jsonb_agg(a.content_hash) AS hashes FROM responses_approval a
            WHERE a.response_id = r.id AND a.approved AND a.id > COALESCE((
                SELECT max(b.id) FROM responses_approval b
                WHERE b.response_id = r.id AND NOT b.approved
            ), 0)
        ) signed ON TRUE
        WHERE r.state = 'released' AND r.verdict @> '[{"verdict": "hold"}]' AND EXISTS (
            SELECT FROM responses_delivery d
            WHERE d.response_id = r.id AND d.state NOT IN ('failed', 'cancelled')
        )
        """,
    ),
    Check(
        "sending",
        _("Deliveries"),
        _("Every released response has its deliveries, and every outgoing interaction has one."),
        "A delivery of {subject} is missing.",
        """
        SELECT 'interaction ' || i.id AS subject, i.id AS interaction, i.profile_id AS profile, (
                SELECT max(r.id) FROM responses_response r
                WHERE r.author_id = i.staff_id AND r.text = i.text
            ) AS response, i.conversation_id AS conversation
        FROM crm_interaction i LEFT JOIN responses_delivery d ON d.interaction_id = i.id
        WHERE i.direction = 'out' AND i.staff_id IS NOT NULL AND d.id IS NULL
        UNION ALL
        SELECT 'response ' || r.id, NULL, NULL, r.id, r.case_id
        FROM responses_response r LEFT JOIN responses_delivery own ON own.response_id = r.id
        WHERE r.state = 'released' AND own.id IS NULL AND NOT EXISTS (
            SELECT FROM crm_interaction i LEFT JOIN responses_delivery d ON d.interaction_id = i.id
            WHERE i.direction = 'out' AND i.staff_id IS NOT NULL AND d.id IS NULL
                AND i.staff_id = r.author_id AND i.text = r.text
        )
        UNION ALL
        SELECT 'delivery ' || again.id, NULL, NULL, again.response_id, NULL
        FROM responses_delivery again
        LEFT JOIN responses_delivery old ON old.id = again.replaces_id
        WHERE again.replaces_id IS NOT NULL AND old.id IS NULL
        ORDER BY 1 LIMIT %(most)s
        """,
    ),
    Check(
        "of_response",
        _("Response of a delivery"),
        _("Every delivery belongs to a response."),
        "Delivery {subject} belongs to response {lost}, which is missing.",
        # If the decision of the missing response exists, the check "response" reports the gap.
        """
        SELECT own.id AS subject, own.id AS delivery, own.interaction_id AS interaction,
            own.response_id AS lost
        FROM responses_delivery own LEFT JOIN responses_response said ON said.id = own.response_id
        WHERE said.id IS NULL AND NOT EXISTS (
            SELECT FROM routing_decision d LEFT JOIN responses_response r ON r.decision_id = d.id
            WHERE d.outcome <> 'none' AND r.id IS NULL
        )
        ORDER BY 1 LIMIT %(most)s
        """,
    ),
    Check(
        "ledger",
        _("Sent interactions"),
        _("Every sent delivery is in the ledger."),
        "Delivery {subject} was sent, but its interaction is missing from the ledger.",
        """
        SELECT d.id AS subject, d.id AS delivery, d.response_id AS response, r.case_id AS "case"
        FROM responses_delivery d
        LEFT JOIN crm_interaction i ON i.id = d.interaction_id
        LEFT JOIN responses_response r ON r.id = d.response_id
        WHERE d.state IN ('sent', 'bounced') AND i.id IS NULL ORDER BY 1 LIMIT %(most)s
        """,
    ),
    Check(
        "same_words",
        _("Content of sent interactions"),
        _("Every sent interaction has the delivered text, direction, recipient and conversation."),
        "Delivery {subject}: the ledger has {other}.",
        # Texts are not compared if the text was erased, or if the interaction was fetched from the
        # network.
        """
        SELECT * FROM (
            SELECT d.id AS subject, d.id AS delivery, i.id AS interaction, r.id AS response,
                r.case_id AS "case", CASE
                    WHEN i.direction <> 'out' THEN 'it as incoming'
                    WHEN i.profile_id IS DISTINCT FROM d.profile_id THEN 'another recipient'
                    WHEN i.conversation_id <> d.conversation_id THEN 'another conversation'
                    WHEN i.staff_id IS NOT NULL AND i.text <> ''
                        AND i.text <> COALESCE(r.versions ->> d.account_id::text, r.text)
                        THEN 'a different text'
                END AS other
            FROM responses_delivery d
            JOIN crm_interaction i ON i.id = d.interaction_id
            JOIN responses_response r ON r.id = d.response_id
            WHERE d.state IN ('sent', 'bounced') AND d.act <> 'withdraw'
        ) compared WHERE other IS NOT NULL ORDER BY 1 LIMIT %(most)s
        """,
    ),
    Check(
        "feedback",
        _("Feedback"),
        _("Every answer to a response is linked to it."),
        "Interaction {subject} answers a response but is not linked to it.",
        """
        SELECT i.id AS subject, i.id AS interaction, i.profile_id AS profile,
            max(d.response_id) AS response, i.conversation_id AS conversation
        FROM crm_interaction i
        JOIN responses_delivery d
            ON d.scope = i.scope AND d.sent_key = i.in_reply_to AND d.sent_key <> ''
        LEFT JOIN responses_feedback f ON f.interaction_id = i.id
        WHERE i.direction = 'in' AND i.revises_id IS NULL AND i.in_reply_to <> '' AND f.id IS NULL
            AND d.state IN ('sent', 'bounced') AND i.kind <> 'automatic answer'
        GROUP BY i.id
        UNION ALL
        SELECT i.id, i.id, i.profile_id, max(d.response_id), i.conversation_id
        FROM responses_delivery d
        JOIN crm_interaction ours ON ours.id = d.interaction_id
        JOIN crm_interaction i ON i.conversation_id = ours.conversation_id
        JOIN listening_mention m ON m.interaction_id = i.id
        LEFT JOIN responses_feedback f ON f.interaction_id = i.id
        WHERE d.state IN ('sent', 'bounced') AND i.visibility = 'private' AND i.direction = 'in'
            AND i.revises_id IS NULL
            AND i.kind <> 'automatic answer' AND m.sort_at >= d.sent_at AND f.id IS NULL
            AND NOT EXISTS (
                SELECT FROM responses_delivery named
                WHERE named.scope = i.scope AND named.sent_key = i.in_reply_to
                    AND named.sent_key <> '' AND named.state = 'sent'
            )
        GROUP BY i.id ORDER BY 1 LIMIT %(most)s
        """,
    ),
    *DUE_CHECKS,
    *ITEM_CHECKS,
)
