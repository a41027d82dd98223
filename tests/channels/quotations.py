"""Quotations as mail programs write them, in twelve languages.

The forms were taken from mails that the programs produce; the names and times are our own. In each
form, HELP stands for the name, ADDRESS for the address, and QUOTED for the quoted text.
"""

from __future__ import annotations

from collections.abc import Iterator

HELP, ADDRESS = "Help Desk", "help@ourshop.example"

GMAIL = {
    "en": "On Tue, 7 Jan 2020 at 09:00, HELP <ADDRESS> wrote:",
    "de": "Am Di., 7. Jan. 2020 um 09:00 Uhr schrieb HELP <ADDRESS>:",
    "fr": "Le mar. 7 janv. 2020 à 09:00, HELP <ADDRESS> a écrit :",
    "es": "El mar, 7 ene 2020 a las 9:00, HELP (<ADDRESS>) escribió:",
    "it": "Il giorno mar 7 gen 2020 alle ore 09:00 HELP <ADDRESS> ha scritto:",
    "nl": "Op di 7 jan. 2020 om 09:00 schreef HELP <ADDRESS>:",
    "pt": "Em ter., 7 de jan. de 2020 às 09:00, HELP <ADDRESS> escreveu:",
    "sv": "Den tis 7 jan. 2020 kl 09:00 skrev HELP <ADDRESS>:",
    "pl": "wt., 7 sty 2020 o 09:00 HELP <ADDRESS> napisał(a):",
    "ru": "вт, 7 янв. 2020 г. в 09:00, HELP <ADDRESS>:",
    "tr": "HELP <ADDRESS>, 7 Oca 2020 Sal, 09:00 tarihinde şunu yazdı:",
    "ja": "2020年1月7日(火) 9:00 HELP <ADDRESS>:",
}
APPLE = {
    "en": "On 7 Jan 2020, at 09:00, HELP <ADDRESS> wrote:",
    "de": "Am 07.01.2020 um 09:00 schrieb HELP <ADDRESS>:",
    "fr": "Le 7 janv. 2020 à 09:00, HELP <ADDRESS> a écrit :",
    "es": "El 7 ene 2020, a las 9:00, HELP <ADDRESS> escribió:",
    "it": "Il giorno 7 gen 2020, alle ore 09:00, HELP <ADDRESS> ha scritto:",
    "nl": "Op 7 jan. 2020, om 09:00 heeft HELP <ADDRESS> het volgende geschreven:",
    "pt": "No dia 07/01/2020, às 09:00, HELP <ADDRESS> escreveu:",
    "sv": "7 jan. 2020 kl. 09:00 skrev HELP <ADDRESS>:",
    "pl": "Wiadomość napisana przez HELP <ADDRESS> w dniu 07.01.2020, o godz. 09:00:",
    "ru": "7 янв. 2020 г., в 09:00, HELP <ADDRESS> написал(а):",
    "tr": "HELP <ADDRESS> şunları yazdı (7 Oca 2020 09:00):",
    "ja": "2020/01/07 9:00、HELP <ADDRESS>のメール:",
}
YAHOO = {
    "en": "On Tuesday, January 7, 2020, 09:00:00 AM GMT+1, HELP <ADDRESS> wrote:",
    "de": "Am Dienstag, 7. Januar 2020, 09:00:00 MEZ hat HELP <ADDRESS> Folgendes geschrieben:",
    "fr": "Le mardi 7 janvier 2020 à 09:00:00 UTC+1, HELP <ADDRESS> a écrit :",
    "es": "El martes, 7 de enero de 2020, 09:00:00 CET, HELP <ADDRESS> escribió:",
    "it": "Il martedì 7 gennaio 2020, 09:00:00 CET, HELP <ADDRESS> ha scritto:",
    "nl": "Op dinsdag 7 januari 2020 09:00:00 CET schreef HELP <ADDRESS>:",
    "pt": "Em terça-feira, 7 de janeiro de 2020 09:00:00 WET, HELP <ADDRESS> escreveu:",
    "sv": "Den tisdag 7 januari 2020 09:00:00 CET, HELP <ADDRESS> skrev:",
    "pl": "wtorek, 7 stycznia 2020, 09:00:00 CET, HELP <ADDRESS> napisał(a):",
    "ru": "вторник, 7 января 2020 г., 09:00:00 GMT+1, HELP <ADDRESS> написал:",
    "tr": "7 Ocak 2020 Salı 09:00:00 GMT+3 tarihinde HELP <ADDRESS> şunu yazdı:",
    "ja": "2020年1月7日火曜日 9:00:00 JST、HELP <ADDRESS> が書きました:",
}
THUNDERBIRD = {
    "en": "On 07/01/2020 09:00, HELP wrote:",
    "de": "Am 07.01.20 um 09:00 schrieb HELP:",
    "fr": "Le 07/01/2020 à 09:00, HELP a écrit :",
    "es": "El 7/1/20 a las 9:00, HELP escribió:",
    "it": "Il 07/01/20 09:00, HELP ha scritto:",
    "nl": "Op 07-01-2020 om 09:00 schreef HELP:",
    "pt": "Em 07/01/2020 09:00, HELP escreveu:",
    "sv": "Den 2020-01-07 kl. 09:00, skrev HELP:",
    "pl": "W dniu 07.01.2020 o 09:00, HELP pisze:",
    "ru": "07.01.2020 09:00, HELP пишет:",
    "tr": "7.01.2020 09:00 tarihinde HELP yazdı:",
    "ja": "2020/01/07 9:00、HELP さんは書きました:",
}
OUTLOOK = {
    "en": ("From", "Sent", "To", "Subject", "Original Message"),
    "de": ("Von", "Gesendet", "An", "Betreff", "Ursprüngliche Nachricht"),
    "fr": ("De", "Envoyé", "À", "Objet", "Message d’origine"),
    "es": ("De", "Enviado el", "Para", "Asunto", "Mensaje original"),
    "it": ("Da", "Inviato", "A", "Oggetto", "Messaggio originale"),
    "nl": ("Van", "Verzonden", "Aan", "Onderwerp", "Oorspronkelijk bericht"),
    "pt": ("De", "Enviada em", "Para", "Assunto", "Mensagem original"),
    "sv": ("Från", "Skickat", "Till", "Ämne", "Ursprungligt meddelande"),
    "pl": ("Od", "Wysłano", "Do", "Temat", "Wiadomość oryginalna"),
    "ru": ("От", "Отправлено", "Кому", "Тема", "Исходное сообщение"),
    "tr": ("Kimden", "Gönderildi", "Kime", "Konu", "Özgün İleti"),
    "ja": ("差出人", "送信日時", "宛先", "件名", "元のメッセージ"),
}
LANGUAGES = tuple(GMAIL)
CLIENTS = (
    "Gmail", "Apple Mail", "Yahoo", "Proton", "Thunderbird", "Outlook 2003", "Outlook 365",
    "Outlook on a phone",
)  # fmt: skip


def quotation(client: str, language: str, quoted: str, *, width: int = 0) -> str:
    """Return what this program puts below an answer.

    width: after so many characters, the line that names the author is wrapped; 0 for never.
    """
    lines = list(_quotation(client, language, quoted))
    text = "\n".join(lines).replace("HELP", HELP).replace("ADDRESS", ADDRESS)
    return _wrapped(text, width) if width else text


def _quotation(client: str, language: str, quoted: str) -> Iterator[str]:
    marked = [f"> {line}" for line in quoted.splitlines()]
    sender, sent, to, subject, original = OUTLOOK[language]
    colon = " :" if language == "fr" else ":"
    head = [
        f"{sender}{colon} HELP <ADDRESS>", f"{sent}{colon} 07.01.2020 09:00",
        f"{to}{colon} jo@customer.example", f"{subject}{colon} Pump",
    ]  # fmt: skip
    if client == "Gmail":
        yield from [GMAIL[language], "", *marked]
    elif client == "Apple Mail":
        yield from [APPLE[language], "", *marked]
    elif client == "Yahoo":
        yield from [YAHOO[language], "", *[f"  {line}" for line in quoted.splitlines()]]
    elif client == "Proton":
        yield from ["------- Original Message -------", YAHOO[language], "", *marked]
    elif client == "Thunderbird":
        yield from [THUNDERBIRD[language], *marked]
    elif client == "Outlook 2003":
        yield from [f"-----{original}-----", *head, "", *quoted.splitlines()]
    elif client == "Outlook 365":
        yield from ["_" * 32, *[f"*{line.replace(colon, colon + '*', 1)}" for line in head], ""]
        yield from quoted.splitlines()
    else:
        yield from [*head, "", *quoted.splitlines()]


def _wrapped(text: str, width: int) -> str:
    """Break the first line that names the address, at spaces, as programs do."""
    lines = text.splitlines()
    for index, line in enumerate(lines):
        if ADDRESS in line and len(line) > width and " " in line[:width]:
            cut = line.rindex(" ", 0, width)
            lines[index : index + 1] = [line[:cut], line[cut + 1 :]]
            break
    return "\n".join(lines)
