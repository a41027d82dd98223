-- A workspace of as many mentions as `bench.mentions` says, one every thirty seconds until now.
-- What varies is thrown by dice that fall the same way in every run. Two of 25 mentions are kept;
-- three cases stand for four of them: 10 of 100 new, 22 open, 6 waiting, 3 snoozed, 12 noise, the
-- rest done; 3 of 4 answered that can be. The parts of this grow with the whole, on purpose; but what
-- could not be sent is settled, except among the last 3,000 cases.
SET session_replication_role = replica;  -- no triggers, no foreign keys: the rows fit by their making
SET synchronous_commit = off;
SET work_mem = '256MB';

CREATE FUNCTION total() RETURNS bigint LANGUAGE sql STABLE
AS 'SELECT current_setting(''bench.mentions'')::bigint';

CREATE FUNCTION dice(n bigint, throw int, sides bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS 'SELECT (hashint8extended(n, throw) & 9223372036854775807) % sides';

CREATE FUNCTION skewed(n bigint, throw int, sides bigint) RETURNS bigint  -- the first come most often
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS 'SELECT (sides * power(dice(n, throw, 1000000) / 1e6, 3))::bigint % sides';

CREATE FUNCTION one_of(words text, n bigint, throw int) RETURNS text LANGUAGE sql IMMUTABLE
AS 'SELECT parts[1 + dice(n, throw, cardinality(parts))] FROM (SELECT string_to_array(words, '' '')) AS _ (parts)';

CREATE FUNCTION said_at(mention bigint) RETURNS timestamptz LANGUAGE sql STABLE
AS 'SELECT now() - (total() - mention) * interval ''30 seconds''';

-- What is kept: two of 25. Every fourth of them goes on with the exchange of three before.
CREATE UNLOGGED TABLE kept AS
SELECT k, 1 + (k / 2) * 25 + (k % 2) * 12 AS mention, opener, 2 * k + 1 AS interaction,
       (opener / 4) * 3 + opener % 4 + 1 AS of_case,
       1 + skewed(opener, 1, total() / 25) AS profile
FROM (SELECT k, k - CASE k % 4 WHEN 3 THEN 3 ELSE 0 END AS opener
      FROM generate_series(0, total() / 25 * 2 - 1) AS k) AS numbered;

CREATE UNLOGGED TABLE seat AS
SELECT department_id AS department, user_id AS person,
       row_number() OVER (PARTITION BY department_id ORDER BY user_id) - 1 AS n
FROM crm_membership WHERE role = 'agent';

CREATE UNLOGGED TABLE opened AS
SELECT one.*, CASE WHEN status = 'open' AND dice(id, 9, 3) = 0 OR status IN ('new', 'noise')
              THEN NULL ELSE seat.person END AS assignee, seat.person AS colleague,
       status IN ('waiting', 'done') AND dice(id, 10, 4) > 0 AS answered
FROM (SELECT of_case AS id, min(profile) AS profile, min(k) AS opener, min(mention) AS mention,
             max(interaction) AS heard, said_at(max(mention)) AS heard_at,
             CASE WHEN d < 30 THEN 1 WHEN d < 50 THEN 2 WHEN d < 65 THEN 3 WHEN d < 77 THEN 4
                  WHEN d < 87 THEN 5 WHEN d < 94 THEN 6 WHEN d < 98 THEN 7 ELSE 8 END AS department,
             CASE WHEN s < 10 THEN 'new' WHEN s < 32 THEN 'open' WHEN s < 38 THEN 'waiting'
                  WHEN s < 41 THEN 'snoozed' WHEN s < 53 THEN 'noise' ELSE 'done' END AS status
      FROM kept, LATERAL (SELECT dice(of_case, 2, 100) AS d, dice(of_case, 3, 100) AS s) AS thrown
      GROUP BY of_case, d, s) AS one
JOIN seat ON seat.department = one.department AND seat.n = dice(id, 4, 2);

INSERT INTO crm_profile (id, network, key, handle, name, url, reach, first_seen_at)
SELECT p, 'microblog', 'key' || p, '@' || lower(first.word) || p, first.word || ' ' || last.word, '',
       10 + skewed(p, 5, 2000000), now()
FROM generate_series(1, total() / 25) AS p
JOIN name AS first ON first.n = dice(p, 6, 400) JOIN name AS last ON last.n = dice(p, 7, 400);

INSERT INTO crm_contact (id, uuid, name, kind, about, created_at, owner_id, tags)
SELECT c, md5('contact' || c)::uuid, profile.name, one_of('customer prospect press partner', c, 8), '', now(), NULL, '{}'
FROM generate_series(1, total() / 125) AS c JOIN crm_profile AS profile ON profile.id = 5 * c - 4;
INSERT INTO crm_profilelink (evidence, confidence, made_at, contact_id, profile_id)
SELECT 'The same address', 1, now(), 1 + (p - 1) / 5, p
FROM generate_series(1, total() / 25) AS p WHERE p % 5 IN (1, 2);

INSERT INTO crm_conversation
       (id, network, key, thread_key, visibility, title, restricted_to_id, started_at, account_id)
SELECT opened.id, 'microblog', 'c' || opened.id, '', 'public', '',
       CASE WHEN is_restricted THEN department.id END, heard_at, NULL
FROM opened JOIN crm_department AS department ON department.id = opened.department;

INSERT INTO listening_fetch
       (id, attempt, outcome, started_at, ended_at, found, new, quarantined, size, error, source_id)
SELECT p, 0, 'ok', said_at(p * 500), said_at(p * 500), 500, 500, 0, 90000, '', 1 + dice(p, 11, 20)
FROM generate_series(1, total() / 500) AS p;

INSERT INTO listening_mention
       (id, uuid, scope, key, author_network, author_key, author_handle, author_name, author_url,
        author_reach, kind, visibility, thread_key, in_reply_to, title, text, html, url, language,
        raw, occurred_at, recorded_at, backlog, processed_at, attempt, interaction_id, fetch_id)
SELECT m, md5('m' || m)::uuid, 'microblog', 'm' || m, 'microblog', 'key' || p, '@key' || p, '', '',
       NULL, 'post', 'public', '', '', '',
       a.words || ' ' || b.words || ' ' || c.words || ' ref' || m, '', 'https://blog.example/' || m,
       'en', '', said_at(m), said_at(m) + interval '20 seconds', false, said_at(m), 1, interaction,
       1 + (m - 1) / 500
FROM generate_series(1, total()) AS m
JOIN sentence AS a ON a.n = dice(m, 12, 4096) JOIN sentence AS b ON b.n = dice(m, 13, 4096)
JOIN sentence AS c ON c.n = dice(m, 14, 4096) LEFT JOIN kept ON kept.mention = m,
LATERAL (SELECT coalesce(profile, 1 + skewed(m, 1, total() / 25)) AS p) AS author;

INSERT INTO crm_interaction
       (id, uuid, scope, key, direction, channel, kind, visibility, in_reply_to, title, text, html,
        url, occurred_at, recorded_at, conversation_id, profile_id)
SELECT interaction, md5('i' || interaction)::uuid, scope, key, 'in', one_of('feed feed feed sandbox', k, 15),
       one_of('post post comment message', k, 16), visibility, '', '', text, '', url, occurred_at, recorded_at, of_case, profile
FROM kept JOIN listening_mention AS mention ON mention.id = kept.mention ORDER BY k;
INSERT INTO crm_interaction
       (id, uuid, scope, key, direction, channel, kind, visibility, in_reply_to, title, text, html,
        url, occurred_at, recorded_at, conversation_id, profile_id, staff_id, account_id)
SELECT 2 * opener + 2, md5('i' || 2 * opener + 2)::uuid, 'microblog', 'r' || opened.id, 'out', 'feed', 'comment', 'public',
       'm' || mention, '', words, '', '', heard_at + interval '2 hours', heard_at + interval '2 hours',
       opened.id, profile, colleague, 1
FROM opened JOIN sentence ON sentence.n = dice(opened.id, 17, 4096) WHERE answered ORDER BY opener;

INSERT INTO listening_match (mention_id, interaction_id, revision_id, spans, at)
SELECT mention, interaction, current_id, '[["text", 0, 6]]', said_at(mention)
FROM kept JOIN listening_topic AS topic ON topic.id = 1 + skewed(k, 18, 40)
          OR topic.id = 41 AND k % (total() / 25 * 2 / 20) = 0;

INSERT INTO routing_case
       (id, profile_id, department_id, assignee_id, status, priority, tags, issue_id, opened_at,
        due_at, received_late, last_inbound_id, last_inbound_at, snoozed_until, done_at)
SELECT id, profile, department, assignee, status,
       CASE WHEN p < 2 THEN 'urgent' WHEN p < 10 THEN 'high' WHEN p < 90 THEN 'normal' ELSE 'low' END,
       array_remove(ARRAY['tag' || skewed(id, 20, 24), CASE WHEN id % (total() * 3 / 1000) = 1
                    THEN 'recall' END], NULL),
       CASE WHEN dice(id, 22, 10) = 0 THEN 1 + skewed(id, 23, 20) END, said_at(mention),
       CASE WHEN status IN ('new', 'open', 'snoozed') THEN now() + (dice(id, 24, 2880) - 240) * interval '1 minute' END,
       status IN ('new', 'open', 'snoozed') AND dice(id, 28, 20) = 0,
       heard, heard_at, CASE status WHEN 'snoozed' THEN now() + interval '1 day' END,
       CASE status WHEN 'done' THEN heard_at + interval '3 hours' END
FROM opened, LATERAL (SELECT dice(id, 19, 100) AS p) AS thrown ORDER BY id;
INSERT INTO routing_caseclock (case_id, kind, target_s, running_since, due_at, heard_late)
SELECT id, 'first', 28800, opened_at, due_at, received_late FROM routing_case
WHERE due_at IS NOT NULL ORDER BY id;
INSERT INTO routing_caseconversation (since, case_id, conversation_id)
SELECT heard_at, id, id FROM opened ORDER BY id;
INSERT INTO routing_casefollower (case_id, user_id, since)
SELECT id, colleague, heard_at FROM opened WHERE dice(id, 32, 20) = 0;
INSERT INTO routing_caseparticipant (case_id, profile_id, role, by_id, at)
SELECT id, 1 + skewed(id, 33, total() / 25), 'influencer', 1, heard_at FROM opened
WHERE dice(id, 34, 20) = 0;

INSERT INTO routing_caseevent (kind, at, why, data, facts, by_id, case_id, interaction_id)
SELECT kind, heard_at + after * interval '1 minute', why, '{}', '{}', event.person, opened.id, interaction
FROM opened LEFT JOIN seat AS other
     ON other.n = 0 AND other.department = 1 + dice(opened.id, 25, 8),
LATERAL (VALUES ('routed', 0, 'It hits the topic.', NULL, 2 * opener + 1, true),
                ('transferred', 5, 'Yours.', other.person, NULL, dice(opened.id, 26, 50) = 0),
                ('claimed', 9, '', assignee, NULL, assignee IS NOT NULL),
                ('opened', 9, '', assignee, NULL, assignee IS NOT NULL),
                ('done', 180, '', assignee, NULL, status = 'done'),
                ('noise', 10, '', colleague, NULL, status = 'noise'))
        AS event (kind, after, why, person, interaction, happened)
WHERE happened ORDER BY opened.id, after;

INSERT INTO routing_decision (id, outcome, why, at, by_id, case_id)
SELECT id, 'micro', '', heard_at + interval '2 hours', colleague, id FROM opened
WHERE answered OR status = 'open' AND dice(id, 27, 50) = 0;
INSERT INTO responses_response
       (id, uuid, audience, visibility, subject, text, state, verdict, created_at, released_at,
        author_id, case_id, decision_id, department_id, in_reply_to_id)
SELECT id, md5('r' || id)::uuid, 'one', 'public', '', 'We are sorry.',
       CASE WHEN answered THEN 'released' ELSE 'held' END, '{}', heard_at, heard_at, colleague, id, id, department,
       heard FROM opened JOIN routing_decision USING (id) ORDER BY id;
INSERT INTO responses_delivery
       (uuid, destination, state, send_after, attempts, scope, sent_key, sent_at, url, error, account_id,
        conversation_id, interaction_id, profile_id, response_id, settled_at)
SELECT md5('d' || id)::uuid, 'm' || mention, CASE WHEN failed THEN 'failed' ELSE 'sent' END, heard_at, 1, 'microblog', 'r' || id,
       heard_at, '', '', 1, id, CASE WHEN NOT failed THEN 2 * opener + 2 END, profile, id,
       CASE WHEN failed AND id <= (SELECT max(id) FROM opened) - 3000 THEN now() END
FROM opened, LATERAL (SELECT dice(id, 28, 500) = 0 AS failed) AS left_out WHERE answered ORDER BY id;

-- Two statements to many on each issue.
INSERT INTO crm_conversation
       (id, network, key, thread_key, visibility, title, restricted_to_id, started_at, account_id)
SELECT -n, 'microblog', 's' || n, '', 'public', '', NULL, now(), 1 FROM generate_series(1, 40) AS n;
INSERT INTO crm_interaction
       (id, uuid, scope, key, direction, channel, kind, visibility, in_reply_to, title, text, html,
        url, occurred_at, recorded_at, conversation_id, staff_id, account_id)
SELECT -s, md5('s' || s)::uuid, 'microblog', 's' || s, 'out', 'feed', 'post', 'public', '', '',
       words, '', '', now(), now(), -s, 1, 1
FROM generate_series(1, 40) AS s JOIN sentence ON sentence.n = dice(s, 31, 4096);
INSERT INTO routing_decision (id, outcome, why, at, by_id, issue_id)
SELECT -n, 'macro', '', now(), 1, 1 + n % 20 FROM generate_series(1, 40) AS n;
INSERT INTO responses_response
       (id, uuid, audience, visibility, subject, text, state, verdict, created_at, released_at,
        author_id, issue_id, decision_id, department_id)
SELECT -n, md5('s' || n)::uuid, 'many', 'public', '', 'We know.', 'released', '{}', now(), now(), 1,
       1 + n % 20, -n, 1 FROM generate_series(1, 40) AS n;
INSERT INTO responses_delivery
       (uuid, destination, state, send_after, attempts, scope, sent_key, sent_at, url, error,
        account_id, conversation_id, interaction_id, response_id)
SELECT md5('s' || n)::uuid, '', 'sent', now(), 1, 'microblog', 's' || n, now(), '', '', 1, -n, -n, -n
FROM generate_series(1, 40) AS n;

INSERT INTO crm_notice (kind, text, url, about, title, place, at, user_id, read_at)
SELECT 'assigned', '', '/', 'case:' || id, '#' || id, '', now(), assignee, CASE WHEN dice(id, 29, 20) > 0 THEN now() END
FROM opened WHERE assignee IS NOT NULL AND dice(id, 30, 4) = 0;

DROP TABLE kept, opened, seat, name, sentence;
DROP FUNCTION skewed, one_of, said_at, dice, total;
RESET session_replication_role;
