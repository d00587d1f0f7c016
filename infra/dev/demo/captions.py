"""Sentences and search words for a scene, in English and Chinese.

`sentence` gives the one canonical sentence of a scene and a language. `caption`
gives one of many free wordings and may leave attributes out: most queries name
only part of what a picture shows, and the text tower has to learn that.
"""

# The first word of every list is the canonical one.
ENGLISH = {
    "red": ("red",),
    "orange": ("orange",),
    "yellow": ("yellow",),
    "green": ("green",),
    "blue": ("blue",),
    "purple": ("purple", "violet"),
    "white": ("white",),
    "black": ("black",),
    "car": ("car", "automobile"),
    "house": ("house", "cottage"),
    "tree": ("tree",),
    "cat": ("cat", "kitten"),
    "fish": ("fish",),
    "boat": ("boat", "sailboat", "ship"),
    "balloon": ("balloon",),
    "flower": ("flower", "blossom"),
    "star": ("star",),
    "ball": ("ball",),
    "beach": ("on the beach", "at the seaside", "by the sea", "on the shore"),
    "forest": ("in the forest", "in the woods"),
    "city": ("in the city", "in a town"),
    "mountain": ("in the mountains", "on a snowy mountain", "in the snow"),
    "desert": ("in the desert",),
    "day": ("in the daytime", "by day", "on a sunny day"),
    "sunset": ("at sunset", "at dusk", "at sundown"),
    "night": ("at night", "by night"),
}

CHINESE = {
    "red": ("红色", "红"),
    "orange": ("橙色", "橙", "橘色"),
    "yellow": ("黄色", "黄"),
    "green": ("绿色", "绿"),
    "blue": ("蓝色", "蓝"),
    "purple": ("紫色", "紫"),
    "white": ("白色", "白"),
    "black": ("黑色", "黑"),
    "car": ("汽车", "小汽车", "车", "轿车"),
    "house": ("房子", "小屋", "房屋"),
    "tree": ("树", "大树"),
    "cat": ("猫", "小猫", "猫咪"),
    "fish": ("鱼", "小鱼"),
    "boat": ("船", "小船", "帆船"),
    "balloon": ("气球",),
    "flower": ("花", "花朵", "小花"),
    "star": ("星星", "五角星"),
    "ball": ("球", "皮球"),
    "beach": ("海滩上", "海边", "沙滩上", "海滩"),
    "forest": ("森林里", "树林里", "森林中", "森林"),
    "city": ("城市里", "城里", "城市中", "城市"),
    "mountain": ("雪山上", "山上", "雪地里", "雪山"),
    "desert": ("沙漠里", "沙漠中", "沙漠"),
    "day": ("白天", "晴天", "阳光下"),
    "sunset": ("夕阳下", "日落时", "傍晚", "黄昏"),
    "night": ("夜晚", "晚上", "夜里"),
}

KEYWORDS = {
    "beach": ("beach", "seaside", "sea"),
    "forest": ("forest", "woods"),
    "city": ("city", "town"),
    "mountain": ("mountain", "mountains", "snow"),
    "desert": ("desert",),
    "day": ("day", "daytime", "sunny"),
    "sunset": ("sunset", "dusk"),
    "night": ("night",),
}

LANGUAGES = ("en", "zh")
ALL = (True, True, True, True)


def sentence(scene, language):
    """The canonical sentence that names all four attributes."""
    place, time, thing, colour = scene.attributes()
    if language == "zh":
        words = CHINESE
        return f"{words[time][0]}{words[place][0]}的{words[colour][0]}{words[thing][0]}"
    words = ENGLISH
    named = f"{words[colour][0]} {words[thing][0]}"
    return f"{_article(named)} {named} {words[place][0]} {words[time][0]}"


def caption(scene, rng, keep=ALL):
    """A random wording of the attributes kept (place, time, object, colour)."""
    place, time, thing, colour = (
        value if kept else None for value, kept in zip(scene.attributes(), keep)
    )
    style = rng.random()
    if style < 0.12:
        return _keywords(place, time, thing, colour, rng)
    if style < 0.56:
        return _english(place, time, thing, colour, rng)
    return _chinese(place, time, thing, colour, rng)


def _word(table, value, rng):
    """Mostly the canonical word, so that it is learnt first."""
    words = table[value]
    return words[0] if rng.random() < 0.6 else rng.choice(words)


def _article(words):
    return "an" if words[0] in "aeiou" else "a"


def _english(place, time, thing, colour, rng):
    named = []
    if colour:
        named.append(_word(ENGLISH, colour, rng))
    if thing:
        named.append(_word(ENGLISH, thing, rng))
    elif colour:
        named.append(rng.choice(("object", "thing")))
    where = [_word(ENGLISH, value, rng) for value in (place, time) if value]

    if not named:
        if not where:
            return rng.choice(("a photo", "a picture", "photo"))
        if rng.random() < 0.4:
            return " ".join(_bare(value, rng) for value in (time, place) if value)
        return rng.choice(("", "a photo ", "something ")) + " ".join(where)

    what = " ".join(named)
    if rng.random() < 0.8:
        what = f"{_article(what)} {what}"
    if where and rng.random() < 0.15:
        comma = rng.choice((", ", " "))
        return " ".join(where) + comma + what
    lead = rng.choice(("", "", "a photo of ", "a picture of "))
    return lead + " ".join([what, *where])


def _chinese(place, time, thing, colour, rng):
    where = "".join(_word(CHINESE, value, rng) for value in (time, place) if value)
    if not thing and not colour:
        if not where:
            return rng.choice(("照片", "一张照片", "图片"))
        return where + rng.choice(("", "", "的照片", "的风景"))

    what = ""
    if colour:
        name = _word(CHINESE, colour, rng)
        # "红汽车" and "红色的汽车" are natural, "红的" alone is not.
        joint = rng.choice(("", "的")) if name.endswith("色") else ""
        what = name + joint
    what += _word(CHINESE, thing, rng) if thing else "东西"
    count = rng.choice(("", "", "一个", "一只")) if thing else ""

    if not where:
        return rng.choice(("", "", "有", "一张")) + count + what + rng.choice(("", "", "的照片"))
    if rng.random() < 0.15:
        return f"{count}{what}在{where}"
    link = rng.choice(("的", "的", "有", ""))
    return where + link + count + what + rng.choice(("", "", "", "的照片"))


def _bare(value, rng):
    return rng.choice(KEYWORDS.get(value) or ENGLISH[value])


def _keywords(place, time, thing, colour, rng):
    """Words in any order, the way people type into a search box; may mix languages."""
    language = rng.choice(("en", "zh", "mixed"))
    words = []
    for value in (colour, thing, place, time):
        if value:
            english = language == "en" or (language == "mixed" and rng.random() < 0.5)
            words.append(_bare(value, rng) if english else rng.choice(CHINESE[value]))
    if rng.random() < 0.5:
        rng.shuffle(words)
    return " ".join(words) or rng.choice(("photo", "照片"))
