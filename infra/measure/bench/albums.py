"""A bucket whose keys carry words: the drawn pictures of the demo's world, most of them sorted into
albums.

What an album is called says nothing about what its pictures show, and the other way round, so that
a search for both needs both.
"""

import sys
from collections import namedtuple
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "dev" / "demo"))
from pictures import SIZES  # noqa: E402
from scenes import HELD_OUT, render, seeded  # noqa: E402

COUNT = 600
LANGUAGES = ("en", "zh")
# Folder, its own word, and its year or nothing. None of these words occurs in a caption.
Album = namedtuple("Album", "folder word year")
ALBUMS = {
    "en": (
        Album("trips/oslo-2019", "oslo", "2019"),
        Album("trips/lisbon-2021", "lisbon", "2021"),
        Album("trips/nairobi-2022", "nairobi", "2022"),
        Album("trips/kyoto-2018", "kyoto", "2018"),
        Album("trips/havana-2020", "havana", "2020"),
        Album("family/reunion-2021", "reunion", "2021"),
        Album("family/grandma-birthday", "grandma birthday", None),
        Album("projects/falcon", "falcon", None),
    ),
    "zh": (
        Album("旅行/杭州-2021", "杭州", "2021"),
        Album("旅行/成都-2019", "成都", "2019"),
        Album("旅行/大理-2022", "大理", "2022"),
        Album("旅行/厦门-2018", "厦门", "2018"),
        Album("旅行/昆明-2020", "昆明", "2020"),
        Album("家庭/同学聚会-2021", "同学聚会", "2021"),
        Album("家庭/外婆生日", "外婆生日", None),
        Album("项目/猎鹰", "猎鹰", None),
    ),
}
PER_ALBUM = 22
INVOICES = {"en": "invoices/2023", "zh": "发票/2023"}
COMPANIES = {
    "en": ("acme", "globex", "initech", "hooli", "vandelay", "soylent"),
    "zh": ("华兴", "宏远", "盛达", "恒信", "嘉禾", "鼎泰"),
}
PER_COMPANY = 4

Picture = namedtuple("Picture", "key scene")


def pictures(seed=1):
    """Every held-out scene twice, under keys that depend on the seed alone."""
    rng = seeded("albums", seed)
    scenes = [HELD_OUT[index % len(HELD_OUT)] for index in range(COUNT)]
    rng.shuffle(scenes)
    keys = [*_album_keys(rng), *_invoice_keys(rng)]
    keys += [
        f"{2024 + number % 2}/{1 + number % 12:02}/scene-{number:04}.jpg"
        for number in range(COUNT - len(keys))
    ]
    return [Picture(key, scene) for key, scene in zip(keys, scenes)]


def _album_keys(rng):
    """A file number like a camera's: unique in the bucket, and not a year."""
    albums = [album for language in LANGUAGES for album in ALBUMS[language]]
    numbers = rng.sample(range(3000, 5000), len(albums) * PER_ALBUM)
    for index, number in enumerate(numbers):
        yield f"{albums[index // PER_ALBUM].folder}/IMG_{number:04}.jpg"


def _invoice_keys(rng):
    companies = [(language, company) for language in LANGUAGES for company in COMPANIES[language]]
    numbers = rng.sample(range(5000, 9999), len(companies) * PER_COMPANY)
    for index, number in enumerate(numbers):
        language, company = companies[index // PER_COMPANY]
        yield f"{INVOICES[language]}/{company}-{number}.jpg"


def draw(folder, bucket, seed=1):
    """Writes the pictures below the folder; two of one scene have only its attributes in common."""
    sizes, weights = zip(*SIZES)
    for picture in bucket:
        rng = seeded("search", seed, picture.key)
        file = folder / picture.key
        file.parent.mkdir(parents=True, exist_ok=True)
        image = render(picture.scene, rng, rng.choices(sizes, weights)[0])
        image.save(file, "JPEG", quality=rng.randint(76, 94))
