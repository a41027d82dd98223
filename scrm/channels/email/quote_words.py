"""The words with which mail programs begin a quotation, in many languages.

The programs are Outlook (2003 to 365, on the web and on phones), Gmail, Apple Mail, Yahoo, Proton
and Thunderbird. All words are in lower case.
"""

# ruff: noqa: RUF001 - letters of other scripts that look like Latin ones
from __future__ import annotations

FROM = (
    "from", "von", "de", "da", "van", "från", "fra", "od", "от", "від", "lähettäjä", "kimden",
    "gönderen", "feladó", "από", "差出人", "发件人", "寄件者", "보낸사람", "de la", "보낸 사람",
)  # fmt: skip
SENT = (
    "sent", "date", "gesendet", "datum", "envoyé", "enviado", "fecha", "inviato", "data",
    "verzonden", "skickat", "sendt", "dato", "wysłano", "wysłane", "odesláno", "отправлено", "дата",
    "надіслано", "lähetetty", "päivämäärä", "gönderilme", "gönderildi", "tarih", "elküldve",
    "dátum", "trimis", "στάλθηκε", "ημερομηνία", "送信日時", "日時", "日付", "发送时间", "日期",
    "寄件日期", "날짜", "enviado el", "enviado em", "enviada em", "gönderme tarihi", "보낸 날짜",
)  # fmt: skip
TO = (
    "to", "an", "à", "a", "para", "aan", "till", "til", "do", "кому", "komu", "vastaanottaja",
    "kime", "alıcı", "címzett", "către", "προς", "宛先", "收件人", "收件者", "cc", "kopie", "copie",
    "kopia", "kopi", "kopio", "копия", "копія", "bilgi", "másolat", "κοιν", "抄送", "副本", "참조",
    "reply-to", "받는 사람",
)  # fmt: skip
SUBJECT = (
    "subject", "betreff", "objet", "sujet", "asunto", "oggetto", "onderwerp", "assunto", "ämne",
    "emne", "temat", "тема", "předmět", "aihe", "konu", "tárgy", "subiect", "θέμα", "件名", "主题",
    "主旨", "제목",
)  # fmt: skip
"""The names of headers of a quoted mail."""

WROTE = (
    "wrote", "writes", "schrieb", "geschrieben", "a écrit", "escribió", "ha scritto", "schreef",
    "geschreven", "escreveu", "skrev", "napisał(a)", "napisał", "napisała", "napisana przez",
    "pisze", "написал(а)", "написал", "написала", "пишет", "пише", "написав", "napsal(a)", "napsal",
    "kirjoitti", "yazdı", "ezt írta", "írta", "a scris", "έγραψε", "写道", "寫道", "書きました",
    "のメール", "님이 작성", "님이 쓴 글",
)  # fmt: skip
"""How a line ends that names the author of the quotation below: “On Monday, Jo wrote:”."""

ORIGINAL = (
    "original message", "ursprüngliche nachricht", "originalnachricht", "message d'origine",
    "message original", "mensaje original", "messaggio originale", "oorspronkelijk bericht",
    "mensagem original", "ursprungligt meddelande", "originalmeddelande", "oprindelig meddelelse",
    "opprinnelig melding", "wiadomość oryginalna", "oryginalna wiadomość", "исходное сообщение",
    "оригинальное сообщение", "вихідне повідомлення", "původní zpráva", "alkuperäinen viesti",
    "özgün ileti", "orijinal mesaj", "eredeti üzenet", "mesaj original", "αρχικό μήνυμα",
    "元のメッセージ", "邮件原件", "原始邮件", "原始郵件", "원본 메시지",
)  # fmt: skip
"""What stands between dashes above a mail that is answered."""

FORWARDED = (
    "forwarded message", "weitergeleitete nachricht", "message transféré", "mensaje reenviado",
    "messaggio inoltrato", "doorgestuurd bericht", "forwarded by", "mensagem encaminhada",
    "vidarebefordrat meddelande", "videresendt meddelelse", "videresendt melding",
    "wiadomość przekazana", "przekazana wiadomość", "пересылаемое сообщение",
    "переадресованное сообщение", "přeposlaná zpráva", "välitetty viesti", "iletilen ileti",
    "yönlendirilmiş ileti", "továbbított üzenet", "mesaj redirecționat", "προωθημένο μήνυμα",
    "転送メッセージ", "転送されたメッセージ", "转发的邮件", "转发邮件信息", "전달된 메시지",
)  # fmt: skip
"""What stands between dashes above a mail that is passed on."""

FORWARD_BEGINS = (
    "begin forwarded message", "anfang der weitergeleiteten nachricht",
    "début du message transféré", "début du message réexpédié", "inicio del mensaje reenviado",
    "inizio messaggio inoltrato", "begin doorgestuurd bericht", "início da mensagem encaminhada",
    "vidarebefordrat brev", "start på videresendt besked", "początek przekazywanej wiadomości",
    "начало переадресованного сообщения", "转发邮件开始", "転送されたメッセージ",
)  # fmt: skip
"""The line that Apple Mail puts above a mail that is passed on; a colon follows."""

FORWARD_SUBJECTS = (
    "fw", "fwd", "wg", "tr", "rv", "enc", "vs", "vb", "pd", "doorst", "转发", "转",
)  # fmt: skip
"""The marks of subjects of mails that are passed on; a colon follows."""
