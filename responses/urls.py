from django.urls import path

from responses.views import approval, bulk, compose, draft, history, rule, saved, sending

app_name = "responses"
urlpatterns = [
    path("cases/<int:pk>/composer/", compose.composer, name="composer"),
    path("cases/<int:pk>/reply/", compose.reply, name="reply"),
    path("cases/<int:pk>/statement/", compose.statement, name="statement"),
    path("cases/<int:pk>/by-hand/", compose.by_hand, name="by_hand"),
    path("cases/<int:pk>/no-response/", compose.nothing, name="nothing"),
    path("cases/<int:pk>/responses/", compose.case_responses, name="case_responses"),
    path("issues/<int:pk>/statement/", compose.issue_statement, name="issue_statement"),
    path("cases/<int:pk>/draft/", draft.keep, name="draft"),
    path("issues/<int:pk>/draft/", draft.keep_for_issue, name="issue_draft"),
    path("saved-replies/", saved.saved_replies, name="saved_replies"),
    path("saved-replies/new/", saved.new, name="saved_reply_new"),
    path("saved-replies/<int:pk>/", saved.saved_reply, name="saved_reply"),
    path("bulk/", bulk.carry_out, name="bulk"),
    path("bulk/<uuid:uuid>/undo/", bulk.undo, name="bulk_undo"),
    path("approvals/", approval.approvals, name="approvals"),
    path("responses/<int:pk>/approve/", approval.approve, name="approve"),
    path("responses/<int:pk>/send-back/", approval.send_back, name="send_back"),
    path("responses/<int:pk>/edit/", approval.edit, name="edit"),
    path("responses/<int:pk>/send/", approval.send, name="send"),
    path("responses/<int:pk>/cancel/", approval.cancel, name="cancel"),
    path("sendings/", sending.sendings, name="sendings"),
    path("sendings/<int:pk>/check/", sending.check, name="check"),
    path("sendings/<int:pk>/mark-sent/", sending.mark_sent, name="mark_sent"),
    path("sendings/<int:pk>/send-again/", sending.send_again, name="send_again"),
    path("sendings/<int:pk>/send-late/", sending.send_late, name="send_late"),
    path("sendings/<int:pk>/put-away/", sending.put_away, name="put_away"),
    path("responses/", history.history, name="history"),
    path("responses/<int:pk>/", history.response, name="response"),
    path("feedback/<int:pk>/judge/", history.judge, name="judge"),
    path("response-rules/", rule.rules, name="rules"),
    path("response-rules/new/", rule.rule_new, name="rule_new"),
    path("response-rules/<int:pk>/", rule.rule, name="rule"),
]
