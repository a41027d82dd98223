"""Words of mail that no human wrote, in many languages: bounces, delays and automatic answers."""

# ruff: noqa: RUF001 - letters of other scripts that look like Latin ones
from __future__ import annotations

FAILED = (
    r"undeliver", r"delivery (?:status|has |failed|failure|problem)",
    r"fail(?:ed|ure).{0,40}deliver", r"failure notice", r"returned (?:mail|to sender)",
    r"mail delivery", r"unable to deliver", r"could not be delivered", r"mail system error",
    r"message not delivered", r"rejected:",
    r"unzustellbar", r"nicht (?:zugestellt|zustellbar)", r"zustellung fehlgeschlagen",
    r"non[- ]?(?:remis|distribu)", r"échec de (?:la )?(?:remise|distribution)",
    r"devuelto", r"no (?:se )?(?:ha )?(?:podido |pudo )?entreg", r"fallo de entrega",
    r"mancat[ao] (?:consegna|recapito)", r"impossibile recapitare", r"messaggio non recapitato",
    r"onbestelbaar", r"niet (?:bezorgd|afgeleverd)", r"não (?:foi )?entreg", r"falha na entrega",
    r"kunde inte levereras", r"kan inte levereras", r"olevererba", r"kunne ikke leveres",
    r"ikke levert", r"toimitus epäonnistui", r"ei voitu toimittaa", r"nie (?:można )?dostarcz",
    r"niedostarczon", r"nedoručiteln", r"doručení se nezdařilo", r"kézbesíthetetlen",
    r"nu a (?:putut fi )?livrat", r"не доставлен", r"недоставлен", r"не удалось доставить",
    r"не вдалося доставити", r"teslim edilemedi", r"iletilemedi", r"δεν παραδόθηκε",
    r"αποτυχία παράδοσης", r"配信不能", r"配信できません", r"未配達", r"退信", r"无法投递",
    r"投递失败", r"無法投遞", r"전달되지 않", r"배달 실패",
)  # fmt: skip
"""Patterns of subjects that say that a mail was not delivered."""

LATE = (
    r"\bdelay", r"\bwarning\b", r"still (?:being )?(?:tr(?:y|ied)|retr)", r"verzöger", r"retard",
    r"retras", r"ritard", r"vertraag", r"atras", r"försen", r"forsink", r"opóźn", r"задерж",
    r"遅延", r"延迟",
)  # fmt: skip
"""Patterns of subjects that say that a mail is late and will be tried again."""

AUTOMATIC = (
    "auto reply", "auto-reply", "autoreply", "automatic reply", "automated reply",
    "automatic response", "auto response", "autoresponse", "automatische antwort",
    "réponse automatique", "respuesta automática", "risposta automatica", "automatisch antwoord",
    "automatische antwoord", "resposta automática", "autosvar", "automatiskt svar",
    "automatisk svar", "automaattinen vastaus", "automatyczna odpowiedź", "odpowiedź automatyczna",
    "automatická odpověď", "automatická odpoveď", "automatikus válasz", "răspuns automat",
    "автоматический ответ", "автоответ", "автоматична відповідь", "автоматичен отговор",
    "otomatik yanıt", "αυτόματη απάντηση", "自動応答", "自動返信", "自动答复",
    "自动回复", "自動回覆", "자동 회신", "자동 응답",
)  # fmt: skip
"""How the subject of an automatic answer begins."""

ABSENT = (
    "out of office autoreply", "out of office auto-reply", "out of the office", "out of office",
    "away from my mail", "abwesenheitsnotiz", "abwesenheit", "absence du bureau",
    "absent du bureau", "fuera de la oficina", "ausente de la oficina", "fuori sede",
    "fuori ufficio", "afwezigheidsbericht", "afwezig", "ausência do escritório",
    "fora do escritório", "frånvaro", "fravær", "ikke på kontoret", "poissa toimistosta",
    "poza biurem", "nieobecność w biurze", "mimo kancelář", "házon kívül", "absent din birou",
    "вне офиса", "нет на месте", "поза офісом", "ofis dışında", "εκτός γραφείου", "不在通知",
    "不在のお知らせ", "外出", "不在办公室", "부재중",
)  # fmt: skip
"""How the subject of an absence note begins; a colon or the end of the subject must follow."""
