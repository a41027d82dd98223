"""Bounces and automatic answers in the forms of many mail servers and languages."""

from __future__ import annotations

from time import process_time

import pytest

from scrm.channels.base import AUTOMATIC, BOUNCE, NOTICE
from tests.channels.test_mail_bounces import OWN, heard

COPY = f"\nMessage-ID: <{OWN}>\nFrom: care@skyward.example\nTo: jo@customers.example\n\nHello\n"
DAEMON = "From: Mail Delivery System <MAILER-DAEMON@mx.example>\n"

FORMS = {
    "qmail": (
        (
            f"{DAEMON}Subject: failure notice\n\nHi. This is the qmail-send program "
            "at mx.example.\n"
            "I'm afraid I wasn't able to deliver your message to the following addresses.\n\n"
            "<jo@customers.example>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n"
            f"--- Below this line is a copy of the message.\n{COPY}"
        ),
        "Sorry, no mailbox here by that name. (#5.1.1)",
    ),
    "Postfix as text": (
        (
            f"{DAEMON}Return-Path: <>\nSubject: Undelivered Mail Returned to Sender\n\n"
            "This is the mail system at host mx.example.\n\n<jo@customers.example>: host "
            "in.customers.example[192.0.2.1] said: 550 5.1.1\n    User unknown (in "
            "reply to RCPT TO "
            f"command)\n{COPY}"
        ),
        (
            "<jo@customers.example>: host in.customers.example[192.0.2.1] said: "
            "550 5.1.1 User unknown "
            "(in reply to RCPT TO command)"
        ),
    ),
    "Gmail as text": (
        (
            "From: Mail Delivery Subsystem <mailer-daemon@googlemail.example>\n"
            "Subject: Delivery Status Notification (Failure)\n\n** Address not found **\n\nYour "
            "message wasn't delivered to jo@customers.example because the address "
            "couldn't be found.\n\n"
            f"The response was:\n\n550 5.1.1 The email account does not exist.\n{COPY}"
        ),
        "550 5.1.1 The email account does not exist.",
    ),
    "Exchange": (
        (
            "From: Postmaster <postmaster@customers.example>\nReturn-Path: <>\n"
            "Subject: Undeliverable: Your bag\n\nDelivery has failed to these "
            "recipients or groups:\n\n"
            "jo@customers.example (jo@customers.example)\nThe email address wasn't found.\n\n"
            f"Remote server returned '550 5.1.10 RESOLVER.ADR.RecipientNotFound'\n{COPY}"
        ),
        "Remote server returned '550 5.1.10 RESOLVER.ADR.RecipientNotFound'",
    ),
    "Yahoo": (
        (
            "From: MAILER-DAEMON@mail.yahoo.example\nSubject: Failure Notice\n\nSorry, we were "
            "unable to deliver your message to the following address.\n\n<jo@customers.example>:\n"
            f"554: 5.7.1 delivery error: dd This user doesn't have an account\n{COPY}"
        ),
        "554: 5.7.1 delivery error: dd This user doesn't have an account",
    ),
    "sender without an address": (
        (
            "From: MAILER-DAEMON <>\nSubject: Mail delivery failed\n\n<jo@customers.example>:\n"
            f"User unknown\n\n--- Below this line is a copy of the message.\n{COPY}"
        ),
        "User unknown",
    ),
    "German": (
        (
            f"{DAEMON}Subject: Unzustellbar: Ihr Koffer\n\nDie Nachricht an jo@customers.example "
            f"konnte nicht zugestellt werden.\n\n550 5.1.1 unbekannt\n{COPY}"
        ),
        "550 5.1.1 unbekannt",
    ),
    "French": (
        (
            f"{DAEMON}Subject: Non remis : votre valise\n\nÉchec de la remise à :\n\n"
            f"jo@customers.example\n\n550 5.1.1 inconnu\n{COPY}"
        ),
        "550 5.1.1 inconnu",
    ),
    "Japanese": (
        f"{DAEMON}Subject: 配信できませんでした\n\n<jo@customers.example>:\n550 5.1.1 no\n{COPY}",
        "550 5.1.1 no",
    ),
    "subject that says nothing": (
        f"{DAEMON}Subject: Your bag\n\n<jo@customers.example>: 550 5.2.1 disabled\n{COPY}",
        "<jo@customers.example>: 550 5.2.1 disabled",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_bounce_says_which_mail_whom_and_why(form: str) -> None:
    raw, reason = FORMS[form]
    found = heard(f"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n{raw}")
    assert (found.kind, found.in_reply_to) == (BOUNCE, OWN)
    assert found.author.key == "jo@customers.example"
    assert found.text == reason


def test_a_complaint_about_our_mail_is_no_mail_of_a_customer() -> None:
    """RFC 5965. Fails if it opens a case as a mail of the provider."""
    found = heard(
        "From: feedback@isp.example\nSubject: FW: Your bag\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n"
        "--b\n\nThis is an abuse report.\n--b\nContent-Type: message/feedback-report\n\n"
        "Feedback-Type: abuse\nUser-Agent: X/1\nOriginal-Rcpt-To: <jo@customers.example>\n\n"
        f"--b\nContent-Type: message/rfc822\n{COPY}--b--\n"
    )
    assert (found.kind, found.in_reply_to) == (NOTICE, OWN)
    assert found.author.key == "jo@customers.example"
    assert found.text == "The recipient reported this email as: abuse."


@pytest.mark.parametrize(
    "head",
    [
        f"From: postmaster@small.example\nIn-Reply-To: <{OWN}>\nSubject: Re: Your bag",
        f"From: Eva Daemon <eva@small.example>\nReferences: <{OWN}>\nSubject: failure notice?",
        "From: jo@customers.example\nSubject: Returned to sender: my parcel",
        "From: jo@customers.example\nSubject: Nicht zugestellt: mein Koffer",
        "From: jo@customers.example\nSubject: retard de mon vol",
    ],
)
def test_a_person_who_answers_or_complains_is_no_bounce(head: str) -> None:
    assert heard(f"{head}\n\nHello").kind == "message"


@pytest.mark.parametrize(
    "subject",
    [
        "Automatic reply: bag", "Auto-Reply: bag", "Out of Office: bag",
        "Automatische Antwort: bag",
        "Abwesenheitsnotiz: bag", "Réponse automatique : bag", "Absence du bureau : bag",
        "Respuesta automática: bag", "Fuera de la oficina", "Risposta automatica: bag",
        "Automatisch antwoord: bag", "Resposta automática: bag", "Autosvar: bag", "Frånvaro",
        "Automatisk svar: bag", "Automaattinen vastaus: bag", "Odpowiedź automatyczna: bag",
        "Automatická odpověď: bag", "Automatikus válasz: bag", "Răspuns automat: bag",
        "Автоматический ответ: bag", "Автоматична відповідь: bag", "Otomatik yanıt: bag",
        "Αυτόματη απάντηση: bag", "自動応答: bag", "自动答复: bag", "자동 회신: bag",
    ],
)  # fmt: skip
def test_an_absence_note_is_known_by_its_subject(subject: str) -> None:
    """With a header of automatic mail. Without one, a person may have written it."""
    head = f"From: jo@customers.example\nSubject: {subject}\n"
    raw = f"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n{head}"
    assert heard(f"Auto-Submitted: auto-generated\n{raw}\nAway.").kind == AUTOMATIC
    assert heard(f"{raw}\nAway.").kind == "message"


@pytest.mark.parametrize(
    "piece", ["<a@b>\n", "a@b.", "550 ", "Message-ID: x\n", "To: <", "below this line is a copy\n"]
)
def test_a_long_bounce_is_read_in_time(piece: str) -> None:
    text = (piece * 200_000)[:200_000]
    start = process_time()
    heard(f"{DAEMON}Subject: failure notice\n\n{text}")
    assert process_time() - start < 4
