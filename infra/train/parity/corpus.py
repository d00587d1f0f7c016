"""Training text of the tokenizers, and the queries for the models."""

_THINGS = [
    "car",
    "house",
    "tree",
    "cat",
    "dog",
    "boat",
    "bird",
    "flower",
    "mountain",
    "river",
    "camera",
    "window",
]
_COLOURS = ["red", "green", "blue", "yellow", "black", "white", "purple"]
_PLACES = [
    "on the beach",
    "in the city",
    "near the lake",
    "at night",
    "at sunset",
    "under the sky",
    "in the snow",
]
_THINGS_ZH = ["汽车", "房子", "树", "猫", "狗", "船", "鸟", "花", "山", "河", "相机", "窗户"]
_COLOURS_ZH = ["红色", "绿色", "蓝色", "黄色", "黑色", "白色", "紫色"]
_PLACES_ZH = ["海滩上", "城市里", "湖边", "夜晚", "夕阳下", "天空下", "雪地里"]

SENTENCES = [
    f"a photo of a {colour} {thing} {place}"
    for thing in _THINGS
    for colour in _COLOURS
    for place in _PLACES
]
SENTENCES += [
    f"{place}的{colour}{thing}"
    for thing in _THINGS_ZH
    for colour in _COLOURS_ZH
    for place in _PLACES_ZH
]

QUESTIONS = [
    "a photo of a red car on the beach at sunset",
    "夕阳下海滩上的红色汽车",
    "一只 black cat 在窗户 near the river",
    "UPPER Case, punctuation! (it's here) snake_case.jpg 2024",
    "🐱 and 👩‍👩‍👧 emoji",
    "ＦＵＬＬ－ｗｉｄｔｈ　１２３",
    "naïve café Ångström straße",
    "  spaces\t and\nnew lines  ",
    "dog",
    "",
    " ".join(f"{_COLOURS[i % 7]} {_THINGS[i % 12]}" for i in range(250)),
]
