"""Let searches find words without marks, in any Unicode form, and in scripts without spaces.

This rewrites the table of the ledger once, so that each row gets the new search vector.
"""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import migrations, models
from django.db.models.functions import Concat

# Migrations keep their own copies of the character classes of scrm.text.fold and scrm.text.search.
UNSEEN = (
    r"\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    r"\U000e0100-\U000e01ef"
)
LATIN_OR_GREEK = (
    r"A-Za-z\u00aa\u00ba\u00c0-\u02b8\u0370-\u03ff\u1d00-\u1dbf\u1e00-\u1fff\u2c60-\u2c7f"
    r"\ua720-\ua7ff\uab30-\uab6f"
)
ACCENTS = (
    r"\u0300-\u036f\u1ab0-\u1ace\u1dc0-\u1dff\u20d0-\u20f0"
)
MARKS = (
    r"\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640"
    r"\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u0711\u0730-\u074a"
)
PUNCTUATION = (
    r"\u0080-\u00a9\u00ab-\u00b9\u00bb-\u00bf\u00d7\u00f7\u02b9-\u02bf\u02c2-\u02df\u037e"
    r"\u0387\u055a-\u055f\u0589\u058a\u05be\u05c0\u05c3\u05c6\u05f3\u05f4\u0606-\u060d"
    r"\u061b-\u061f\u066a-\u066d\u06d4\u0700-\u070d\u0964\u0965\u0970\u0df4\u0e4f\u0e5a"
    r"\u0e5b\u0f04-\u0f14\u104a-\u104f\u10fb\u1360-\u1368\u17d4-\u17da\u1800-\u180a"
    r"\u2000-\u206f\u207a-\u207e\u208a-\u208e\u20a0-\u20cf\u2190-\u22ff\u2e00-\u2e7f"
    r"\u3000-\u3004\u3008-\u3020\u3030\u303d\u309b\u309c\u30a0\u30fb\ufd3e\ufd3f"
)
UNBROKEN = (
    r"\u0e01-\u0e3a\u0e40-\u0e4e\u0e50-\u0e59\u0e81-\u0edf\u1000-\u1049\u1050-\u109f"
    r"\u1780-\u17d3\u2e80-\u2fdf\u3005-\u3007\u3041-\u309f\u30a1-\u30fa\u30fc-\u312f"
    r"\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
# What lower() leaves and casefolding changes.
CASED = "ςıᲀᲁᲂᲃᲄᲅᲆᲇᲈ\u0345"
UNCASED = "σiвдосттъѣꙋι"
ZEROS = (
    "\u0660\u06f0\u07c0\u0966\u09e6\u0a66\u0ae6\u0b66\u0be6\u0c66\u0ce6\u0d66\u0de6\u0e50"
    "\u0ed0\u0f20\u1040\u1090\u17e0\u1810\u1946\u19d0\u1a80\u1a90\u1b50\u1bb0\u1c40\u1c50"
    "\ua620\ua8d0\ua900\ua9d0\ua9f0\uaa50\uabf0"
)
DIGITS = "".join(chr(ord(zero) + value) for zero in ZEROS for value in range(10))
LETTERS = "łøđðħŧёѐѝأإآٱىیةکہۀ" + DIGITS
TYPED = "loddhtееиااااييهكهه" + "0123456789" * len(ZEROS)

# Marks, and letters of scripts with spaces: no word has 200 of them. Everything but ASCII,
# punctuation and the letters of scripts without spaces.
MARKS_AND_LETTERS = (
    r"^\u0001-\u00bf\u0e01-\u0e37\u0e40-\u0e47\u0e50-\u0e59\u0e81-\u0eb7\u0ec0-\u0ec6\u0f0b"
    r"\u1000-\u1036\u1038\u103b-\u108c\u1780-\u17d1\u2000-\u206f\u2e80-\u3029\u3041-\u3096"
    r"\u309d-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff00-\uff9d\uffa0-\uffef\U00020000-\U0003ffff"
)

# The search form of a text, as scrm.text.search.search_form computes it for typed words. The time
# of normalize() grows with the square of the number of marks on a letter, so that a "word" of 200
# marks is divided. A character can become eighteen by NFKD, so that the text is cut twice.
# The high cost makes PostgreSQL read the index and not compute the words of many rows; without
# RESTRICTED it would then start parallel workers, which takes longer than the search.
FORM = rf"""
CREATE FUNCTION scrm_search_form(text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL RESTRICTED COST 5000 AS $body$
DECLARE
    form text := left($1, 100000);
BEGIN
    IF octet_length(form) = char_length(form) THEN
        RETURN lower(form);
    END IF;
    form := regexp_replace(translate(form, '™℠', '  '), '[{UNSEEN}]+', '', 'g');
    IF char_length(form) >= 200 THEN
        form := regexp_replace(form, '([{MARKS_AND_LETTERS}]{{200}})', '\1 ', 'g');
    END IF;
    form := left(normalize(form, NFKD), 300000);
    form := regexp_replace(form, '([{LATIN_OR_GREEK}])[{ACCENTS}]+', '\1', 'g');
    form := replace(translate(lower(normalize(form, NFC)), '{CASED}', '{UNCASED}'), 'ß', 'ss');
    form := regexp_replace(form, '[{MARKS}]+', '', 'g');
    form := regexp_replace(form, '[{PUNCTUATION}]', ' ', 'g');
    form := translate(form, '{LETTERS}', '{TYPED}');
    RETURN left(replace(replace(replace(form, 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'), 100000);
END $body$
"""
# A run of a script without spaces is stored as its overlapping pairs of characters, and its last
# character alone. The search path is stored, because it is empty while a dump is restored.
WORDS = rf"""
CREATE FUNCTION scrm_search_words(text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL RESTRICTED COST 5000 SET search_path FROM CURRENT AS $body$
DECLARE
    form text := scrm_search_form($1);
    words tsvector;
BEGIN
    IF octet_length(form) = char_length(form) OR form !~ '[{UNBROKEN}]' THEN
        RETURN to_tsvector('pg_catalog.simple', form);
    END IF;
    words := to_tsvector('pg_catalog.simple', regexp_replace(form, '[{UNBROKEN}]+', ' ', 'g'));
    form := regexp_replace(form, '[^{UNBROKEN}]+', ' ', 'g');
    RETURN words || (
        SELECT array_to_tsvector(array_agg(DISTINCT rtrim(sign || following)))
        FROM (
            SELECT sign, lead(sign, 1, '') OVER (ORDER BY place) AS following
            FROM unnest(string_to_array(form, NULL)) WITH ORDINALITY AS signs (sign, place)
        ) AS pairs
        WHERE sign <> ' '
    );
END $body$
"""
UNDO = "DROP FUNCTION scrm_search_words(text); DROP FUNCTION scrm_search_form(text);"


def words(first, *others):
    text = models.F(first)
    if others:
        rest = [part for name in others for part in (models.Value(" "), models.F(name))]
        text = Concat(text, *rest, output_field=models.TextField())
    return models.Func(text, function="scrm_search_words", output_field=SearchVectorField())


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0016_change_and_gap_notices"),
    ]

    operations = [
        migrations.RunSQL(FORM + ";" + WORDS, UNDO),
        migrations.RemoveIndex("contact", "contact_search"),
        migrations.RemoveIndex("profile", "profile_search"),
        # This drops its index too. The new column is computed by one rewrite of the table.
        migrations.RemoveField("interaction", "words"),
        migrations.AddField(
            "interaction",
            "words",
            models.GeneratedField(
                expression=words("title", "text"),
                output_field=SearchVectorField(),
                db_persist=True,
            ),
        ),
        migrations.AddIndex("interaction", GinIndex(fields=["words"], name="interaction_search")),
        migrations.AddIndex("contact", GinIndex(words("name"), name="contact_search")),
        migrations.AddIndex(
            "profile", GinIndex(words("name", "handle", "key"), name="profile_search")
        ),
    ]
