from django.urls import URLPattern, path

from routing.case_verbs import CASE_VERBS, CaseVerb
from routing.views import (
    case,
    case_verbs,
    department,
    hours,
    inbox,
    issue,
    memberships,
    next_case,
    offline,
    offline_grid,
    offline_survey,
    palette,
    rule,
    take_over,
)


def verb_path(verb: CaseVerb) -> URLPattern:
    route = f"cases/<int:pk>/{verb.path or verb.name}/"
    return path(route, case_verbs.run_verb, {"verb": verb}, name=verb.name)


app_name = "routing"
urlpatterns = [
    path("", inbox.inbox, name="inbox"),
    path("inbox/news/", inbox.news, name="news"),
    path("next/", next_case.next_case, name="next"),
    path("views/", inbox.save_view, name="save_view"),
    path("views/<int:pk>/drop/", inbox.drop_view, name="drop_view"),
    path("palette/", palette.palette, name="palette"),
    path("suggestions/", palette.suggestions, name="suggestions"),
    path("new/", offline.new, name="new"),
    path("new/who/", offline.who, name="new_who"),
    path("new/cards/", offline_grid.cards, name="new_cards"),
    path("new/event/", offline_grid.event, name="new_event"),
    path("new/survey/", offline_survey.upload, name="new_survey"),
    path("new/survey/<uuid:uuid>/", offline_survey.columns, name="survey"),
    path("new/survey/<uuid:uuid>/bad/", offline_survey.bad_rows, name="survey_bad"),
    path("cases/<int:pk>/", case.case, name="case"),
    path("cases/<int:pk>/why/", case.why, name="why"),
    path("cases/<int:pk>/present/", case.present, name="present"),
    path("cases/<int:pk>/here/", case.here, name="here"),
    path("cases/<int:pk>/left/", case.left, name="left"),
    *map(verb_path, CASE_VERBS),
    path("undo/", case_verbs.undo, name="undo"),
    path("issues/", issue.issues, name="issues"),
    path("issues/new/", issue.new, name="issue_new"),
    path("issues/<int:pk>/", issue.issue, name="issue"),
    path("issues/<int:pk>/edit/", issue.edit, name="issue_edit"),
    path("issues/<int:pk>/add/", issue.add, name="issue_add"),
    path("issues/<int:pk>/remove/", issue.remove, name="issue_remove"),
    path("issues/<int:pk>/close/", issue.close, name="issue_close"),
    path("departments/", department.departments, name="departments"),
    path("people/<int:pk>/take-over/", take_over.take_over, name="take_over"),
    path("people/<int:pk>/take-over/undo/", take_over.undo, name="take_over_undo"),
    path("departments/new/", department.new, name="department_new"),
    path("departments/<int:pk>/archive/", department.archive, name="department_archive"),
    path("departments/<int:pk>/", department.department, name="department"),
    path("departments/<int:pk>/members/", department.member, name="member"),
    path("hours/", hours.hours, name="hours"),
    path("hours/new/", hours.calendar_new, name="calendar_new"),
    path("hours/try/", hours.try_out, name="hours_try"),
    path("hours/<int:pk>/", hours.calendar, name="calendar"),
    path("departments/<int:pk>/targets/", hours.targets, name="targets"),
    path("people/invite/", memberships.invite, name="invite"),
    path("people/<int:pk>/departments/", memberships.memberships, name="memberships"),
    path("rules/", rule.rules, name="rules"),
    path("rules/new/", rule.new, name="rule_new"),
    path("rules/<int:pk>/", rule.rule, name="rule"),
    path("rules/<int:pk>/move/", rule.move, name="rule_move"),
    path("rules/<int:pk>/switch/", rule.switch, name="rule_switch"),
]
