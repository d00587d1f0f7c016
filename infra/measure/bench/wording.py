"""Words for the attributes of a scene: those of the captions, or others of their lists."""

from captions import CHINESE, ENGLISH

WORDS = {"en": ENGLISH, "zh": CHINESE}


def first(value, language):
    return WORDS[language][value][0]


def others(value, language):
    """Synonyms that are not merely a part of the first word."""
    words = WORDS[language][value]
    return [word for word in words[1:] if word not in words[0]]


def phrase(asked, language, rng, other):
    """`asked` maps place, time, object and colour to values; what it lacks is not mentioned."""

    def word(name):
        value = asked.get(name)
        if value is None:
            return ""
        choices = others(value, language) if other else ()
        return rng.choice(choices) if choices else first(value, language)

    place, time, thing, colour = (word(name) for name in ("place", "time", "object", "colour"))
    if colour and not thing:
        thing = "thing" if language == "en" else "东西"
    if language == "en":
        return " ".join(part for part in (colour, thing, place, time) if part)
    link = "的" if (place or time) and thing else ""
    return f"{time}{place}{link}{colour}{thing}"


def mixed(asked, rng):
    """Words of both languages in any order, synonyms where there are some."""
    languages = ["en", "zh", *(rng.choice(("en", "zh")) for _ in asked)][: len(asked)]
    rng.shuffle(languages)
    named = zip(asked.values(), languages)
    words = [
        rng.choice(others(value, language) or [first(value, language)]) for value, language in named
    ]
    rng.shuffle(words)
    return " ".join(words)
