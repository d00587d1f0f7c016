"""The metrics that exist, our own and those of others, and the metrics that a query names."""

import re

from settings import PROGRAMS

# The exporter turns a histogram into these.
_SUFFIXES = ("_bucket", "_sum", "_count")
# Labels that Prometheus adds, and `le` of a histogram.
ADDED = {"job", "instance", "alertname", "alertstate", "severity"}
# RabbitMQ's plugin: seen on 3.10, documented for 4.x. `up` and ALERTS are metrics of Prometheus.
OF_OTHERS = {
    "up": set(),
    "ALERTS": set(),
    "rabbitmq_alarms_memory_used_watermark": set(),
    "rabbitmq_alarms_free_disk_space_watermark": set(),
    "rabbitmq_detailed_queue_messages": {"queue", "vhost"},
    "rabbitmq_detailed_queue_messages_ready": {"queue", "vhost"},
    "rabbitmq_detailed_queue_messages_unacked": {"queue", "vhost"},
    "rabbitmq_detailed_queue_consumers": {"queue", "vhost"},
}
_WORDS = set(
    "by without on ignoring group_left group_right and or unless offset bool inf nan".split()
)


def recorded(root):
    """Name and labels of every metric that the sources of the programs record."""
    found = {}
    sources = [
        file
        for folder in ("crates", *PROGRAMS)
        for file in sorted((root / folder).glob("**/src/**/*.rs"))
    ]
    for file in sources:
        text = file.read_text()
        for call in re.finditer(r'metrics::(counter|gauge|histogram)!\(\s*"(\w+)"', text):
            kind, name = call.groups()
            rest = until_closed(text[call.end() :])
            if "&labels" in rest:
                given = text[: call.start()].rpartition("let labels = ")[2]
                labels = set(re.findall(r'\("(\w+)",', given))
            else:
                labels = set(re.findall(r'"(\w+)"\s*=>', rest))
            names = [name + suffix for suffix in _SUFFIXES] if kind == "histogram" else [name]
            for each in names:
                extra = {"le"} if each.endswith("_bucket") and kind == "histogram" else set()
                found.setdefault(each, set()).update(labels | extra)
    return found


def until_closed(text):
    """The text up to the bracket that closes the one before it."""
    depth = 1
    for place, sign in enumerate(text):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if depth == 0:
            return text[:place]
    return text


def unknown(query, known):
    """Metrics of a query that do not exist, and labels that none of its metrics has."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', query)
    labels = set()
    for listed in re.findall(r"\{([^}]*)\}", bare):
        labels.update(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", listed))
    for listed in re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", bare):
        labels.update(re.findall(r"\w+", listed))
    plain = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring)\s*\([^)]*\)", " ", bare)
    words = re.findall(r"(?<![\w:$.])([a-zA-Z_:][\w:]*)(?!\s*\(|[\w:])", plain)
    names = {
        word
        for word in words
        if word not in _WORDS and not re.fullmatch(r"\d+[smhdwy]|[smhdwy]", word)
    }
    having = set(ADDED).union(*(known.get(name, set()) for name in names))
    yield from (f"no metric is named {name}" for name in sorted(names - set(known)))
    yield from (
        f"none of {', '.join(sorted(names))} has a label {label}"
        for label in sorted(labels - having)
    )
