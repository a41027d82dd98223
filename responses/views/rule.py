from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.contrib import messages
from django.db.models import Max
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from crm.access import StaffRequest, admin_only
from responses.forms import ExampleForms, RuleForm
from responses.models import ResponseRule
from responses.rules.examples import failed
from responses.rules.judge import SCHEMA
from routing.rule_references import check_names, known_names
from scrm.conditions.form_rows import Rows, is_change, rows_from_json, rows_from_post
from scrm.conditions.language import ConditionErrors, parse


@require_safe
@admin_only
def rules(request: StaffRequest) -> HttpResponse:
    found = ResponseRule.objects.select_related("owner")
    return render(request, "responses/rules.html", {"rules": found})


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
def rule_new(request: StaffRequest) -> HttpResponse:
    last = ResponseRule.objects.aggregate(last=Max("position"))["last"] or 0
    fresh = ResponseRule(owner=request.user, position=last + 1, conditions={"all": []})
    return _edit(request, fresh)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
def rule(request: StaffRequest, pk: int) -> HttpResponse:
    return _edit(request, get_object_or_404(ResponseRule, pk=pk))


def _edit(request: StaffRequest, rule: ResponseRule) -> HttpResponse:
    if request.method != "POST":
        rows = rows_from_json(rule.conditions, SCHEMA)
        shown = [row | {"holds": "yes" if row["holds"] else "no"} for row in rule.examples]
        examples = ExampleForms(initial=shown, prefix="example")
        rows.names = known_names()
        return _page(request, RuleForm(instance=rule), rows, examples)
    conditions, rows = rows_from_post(request.POST, SCHEMA)
    rows.names = known_names()
    changes = is_change(request.POST)
    valid_conditions = not changes and _is_valid(conditions, rows)
    # The form calls clean() of the model, which raises an error if a condition is invalid.
    rule.conditions = conditions if valid_conditions else {"all": []}
    form = RuleForm(request.POST, instance=rule)
    examples = ExampleForms(request.POST, prefix="example")
    if changes:
        form.errors.clear()
        return _page(request, form, rows, examples)
    valid = form.is_valid() and examples.is_valid() and valid_conditions
    if not (valid and _passes_examples(rule, examples)):
        return _page(request, form, rows, examples, status=422)
    form.save()
    messages.success(request, _("“%(rule)s” saved.") % {"rule": rule})
    return redirect(rule)


def _is_valid(conditions: object, rows: Rows) -> bool:
    try:
        check_names(parse(conditions, SCHEMA))
    except ConditionErrors as errors:
        rows.say(errors)
        return False
    return True


def _passes_examples(rule: ResponseRule, examples: Any) -> bool:
    """Store the examples in the rule; return whether the rule gives the right result for all.

    For each wrong result, an error is added to the form of the example.
    """
    pure = rule.pure()
    for form in examples.forms:
        if form.example and (why := failed(pure, form.example)):
            form.add_error("text", why)
    rule.examples = [asdict(form.example) for form in examples.forms if form.example]
    return not any(form.errors for form in examples.forms)


def _page(
    request: StaffRequest, form: RuleForm, rows: Rows, examples: Any, status: int = 200
) -> HttpResponse:
    shown = {"form": form, "rows": rows, "rule": form.instance, "examples": examples}
    return render(request, "responses/rule.html", shown, status=status)
