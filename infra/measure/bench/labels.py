"""Searches whose right answers are known, because every picture is drawn from its scene and every
key is ours.

A picture is relevant to a search if it shows every attribute asked and its key holds every word
asked.
"""

import re
from collections import namedtuple

from albums import ALBUMS, COMPANIES, LANGUAGES
from scenes import seeded
from wording import mixed, others, phrase

# `words` only the key answers, `meaning` only who understands does, `both` asks for an album and
# for what is to be seen.
KINDS = ("words", "meaning", "both")
PER_LANGUAGE = 36
MIXED = 12
ATTRIBUTES = ("place", "time", "object", "colour")
# `values` are the attributes that `meaning` asks for.
Query = namedtuple("Query", "kind language text relevant values", defaults=((),))

NOTHING = {
    "en": (
        "a dinosaur playing chess", "a bowl of noodle soup", "an astronaut beside a rocket",
        "x-ray of a broken wrist", "penguins on an iceberg", "a bride and a groom in a church",
        "invoice 2031", "reykjavik 2016", "vladivostok", "IMG_9999",
    ),
    "zh": (
        "恐龙在下棋", "一碗牛肉面", "火箭旁边的宇航员", "手术室里的医生",
        "冰山上的企鹅", "婚礼上的新娘", "发票 2031", "哈尔滨 2016", "乌鲁木齐", "京剧演员",
    ),
}  # fmt: skip
# One attribute, which a third (a time) or a fifth (a place) of all pictures have, or the word of a
# fifth of all keys.
BROAD = {
    "en": (
        ("day", "in the daytime"), ("day", "by day"), ("sunset", "at sunset"),
        ("sunset", "at dusk"), ("night", "at night"), ("night", "by night"),
        ("beach", "by the sea"), ("forest", "in the woods"), ("city", "in the city"),
        (None, "trips"),
    ),
    "zh": (
        ("day", "白天"), ("day", "晴天"), ("sunset", "夕阳下"), ("sunset", "黄昏"), ("night", "夜晚"),
        ("night", "晚上"), ("beach", "海边"), ("mountain", "雪山"), ("city", "城市"), (None, "旅行"),
    ),
}  # fmt: skip


def labelled(bucket, seed=1):
    """The searches of the three kinds; no text occurs twice."""
    found = []
    for language in LANGUAGES:
        found += _words(bucket, language, seeded("words", seed, language))
        found += _meaning(
            bucket, language, PER_LANGUAGE - MIXED // 2, seeded("meaning", seed, language)
        )
        found += _both(bucket, language, seeded("both", seed, language))
    return found + _meaning(bucket, "mixed", MIXED, seeded("meaning", seed, "mixed"))


def nothing():
    """Searches for things that no picture shows and no key names."""
    return [
        Query("nothing", language, text, frozenset())
        for language in LANGUAGES
        for text in NOTHING[language]
    ]


def broad(bucket):
    found = []
    for language in LANGUAGES:
        for value, text in BROAD[language]:
            asked = (value,) if value else ()
            found.append(
                Query("broad", language, text, relevant(bucket, asked, () if value else (text,)))
            )
    return found


def relevant(bucket, values=(), words=()):
    """Keys of the pictures with all these attributes whose keys hold all these words."""
    return frozenset(
        picture.key
        for picture in bucket
        if set(values) <= set(picture.scene.attributes())
        and all(holds(picture.key, word) for word in words)
    )


def holds(key, word):
    """Whole words and numbers where a script separates them; Chinese anywhere."""
    if word.isascii():
        parts = re.findall(r"[a-z0-9]+", key.lower())
        return all(part in parts for part in re.findall(r"[a-z0-9]+", word.lower()))
    return word in key


def _words(bucket, language, rng):
    """Albums, albums with their year, companies, an invoice and a picture by their numbers."""
    albums, companies = ALBUMS[language], COMPANIES[language]
    asked = [(album.word,) for album in albums]
    asked += [(album.word, album.year) for album in albums if album.year]
    asked += [(company,) for company in companies]
    keys = [picture.key for picture in bucket]
    invoices = [key for key in keys if any(holds(key, company) for company in companies)]
    asked += [tuple(_stem(key).split("-")) for key in rng.sample(invoices, 8)]
    shots = [key for key in keys if any(key.startswith(album.folder) for album in albums)]
    asked += [(_stem(key),) for key in rng.sample(shots, PER_LANGUAGE - len(asked))]
    return [
        Query("words", language, " ".join(words), relevant(bucket, words=words)) for words in asked
    ]


def _stem(key):
    return key.rpartition("/")[2].removesuffix(".jpg")


def _meaning(bucket, language, count, rng):
    """Some attributes of a picture, at least one by another word than the first of its list."""
    languages = LANGUAGES if language == "mixed" else (language,)
    found = {}
    while len(found) < count:
        asked = _some(rng.choice(bucket).scene, rng.choice((2, 2, 3, 4)), rng)
        if not any(others(value, each) for value in asked.values() for each in languages):
            continue
        text = (
            mixed(asked, rng) if language == "mixed" else phrase(asked, language, rng, other=True)
        )
        values = tuple(asked.values())
        found[text] = Query("meaning", language, text, relevant(bucket, values), values)
    return list(found.values())


def _both(bucket, language, rng):
    """An album's word and one or two attributes of a picture in it, half in the captions' words."""
    found = {}
    while len(found) < PER_LANGUAGE:
        album = ALBUMS[language][len(found) % len(ALBUMS[language])]
        inside = [picture for picture in bucket if picture.key.startswith(album.folder)]
        asked = _some(rng.choice(inside).scene, rng.choice((1, 2)), rng)
        text = f"{album.word} {phrase(asked, language, rng, other=len(found) % 2 == 1)}"
        found[text] = Query("both", language, text, relevant(bucket, asked.values(), (album.word,)))
    return list(found.values())


def _some(scene, count, rng):
    """So many attributes of the scene, in the order of its fields."""
    kept = rng.sample(ATTRIBUTES, count)
    return {name: getattr(scene, name) for name in ATTRIBUTES if name in kept}
