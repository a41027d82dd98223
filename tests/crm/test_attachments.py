from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile

from crm.models import Attachment, Conversation, Department, Interaction, Profile, User
from routing.models import Case, CaseConversation


@pytest.fixture
def letter(tmp_path: Path, settings: Any, service: Department) -> Attachment:
    settings.MEDIA_ROOT = tmp_path
    profile = Profile.objects.create(network="offline", key="1")
    talk = Conversation.objects.create(network="offline", key="1", visibility="private")
    said = Interaction.objects.create(
        scope="offline", key="1", conversation=talk, profile=profile, direction="in",
        channel="manual", kind="letter", visibility="private",
    )  # fmt: skip
    case = Case.objects.create(profile=profile, department=service)
    CaseConversation.objects.create(case=case, conversation=talk)
    row = Attachment(interaction=said, name='ev"il\r\n.html', content_type="text/html", size=8)
    row.file.save("letter.html", ContentFile(b"<script>"))
    return row


def test_a_file_comes_as_a_download_that_no_browser_runs(
    agent: User, as_: Any, letter: Attachment
) -> None:
    response = as_(agent).get(f"/attachments/{letter.uuid}/")
    assert b"".join(response.streaming_content) == b"<script>"
    assert response["Content-Disposition"].startswith("attachment;")
    assert "\n" not in response["Content-Disposition"]
    assert response["Content-Type"] == "application/octet-stream"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"].startswith("sandbox")


def test_a_file_of_a_restricted_conversation_is_its_departments_alone(
    agent: User, outsider: User, service: Department, supervisor: User, as_: Any, letter: Attachment
) -> None:
    Conversation.objects.update(restricted_to=service)
    address = f"/attachments/{letter.uuid}/"
    assert as_(outsider).get(address).status_code == 404
    for allowed in (agent, supervisor):
        assert b"".join(as_(allowed).get(address).streaming_content) == b"<script>"


def test_a_file_that_is_gone_from_disk_is_not_found(
    agent: User, as_: Any, letter: Attachment
) -> None:
    Path(letter.file.path).unlink()
    assert as_(agent).get(f"/attachments/{letter.uuid}/").status_code == 404
