from __future__ import annotations

from django import forms

from responses.models import Feedback


class JudgeForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Feedback
        fields = ["outcome"]
