from django.urls import path

from routing.views import case, department, inbox, issue, offline, rule

app_name = "routing"
urlpatterns = [
    path("", inbox.inbox, name="inbox"),
    path("new/", offline.new, name="new"),
    path("cases/<int:pk>/", case.case, name="case"),
    path("cases/<int:pk>/claim/", case.claim, name="claim"),
    path("cases/<int:pk>/give-back/", case.give_back, name="give_back"),
    path("cases/<int:pk>/hand-over/", case.hand_over, name="hand_over"),
    path("cases/<int:pk>/note/", case.note, name="note"),
    path("cases/<int:pk>/snooze/", case.snooze, name="snooze"),
    path("cases/<int:pk>/done/", case.done, name="done"),
    path("cases/<int:pk>/noise/", case.noise, name="noise"),
    path("cases/<int:pk>/reopen/", case.reopen, name="reopen"),
    path("cases/<int:pk>/issue/", case.group, name="group"),
    path("issues/", issue.issues, name="issues"),
    path("issues/new/", issue.new, name="issue_new"),
    path("issues/<int:pk>/", issue.issue, name="issue"),
    path("issues/<int:pk>/add/", issue.add, name="issue_add"),
    path("issues/<int:pk>/remove/", issue.remove, name="issue_remove"),
    path("issues/<int:pk>/close/", issue.close, name="issue_close"),
    path("departments/", department.departments, name="departments"),
    path("departments/new/", department.new, name="department_new"),
    path("departments/<int:pk>/", department.department, name="department"),
    path("departments/<int:pk>/members/", department.member, name="member"),
    path("rules/", rule.rules, name="rules"),
    path("rules/new/", rule.new, name="rule_new"),
    path("rules/<int:pk>/", rule.rule, name="rule"),
    path("rules/<int:pk>/move/", rule.move, name="rule_move"),
    path("rules/<int:pk>/switch/", rule.switch, name="rule_switch"),
]
