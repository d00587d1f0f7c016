"""The figures of very many objects, as a table for the README."""

from report import number

# The memory that ingest needs, as its sources state it.
SLOT_BYTES, FULLEST, ROW_BYTES, TABLES = 33, 7 / 8, 16, 2


def table(result):
    rows = [("", ""), ("---", "---:")]
    rows += publishing(result["publishing"]) if "publishing" in result else []
    rows += indexed(result["rows"]) if "rows" in result else []
    rows += (
        endurance(result["endurance"], result["endurance_summary"]) if "endurance" in result else []
    )
    return "\n".join(f"| {name} | {value} |" for name, value in rows)


def publishing(measured):
    count, first, second = measured["objects"], measured["publishing"], measured["listing"]
    cpu = ", ".join(
        f"{name} {seconds / count * 1e6:.0f} µs" for name, seconds in first["cpu_s"].items()
    )
    return [
        (
            f"Sweep that publishes {count:,} objects with confirms",
            f"{first['published_per_s']:,.0f} objects/s",
        ),
        ("– CPU per object", cpu.replace("devstore", "store")),
        ("Sweep again while all are on their way: published", f"{second['published']}"),
        ("– listing", f"{second['keys_per_s']:,.0f} keys/s"),
        (
            "Peak memory of these two commands",
            f"{mib(first['peak_bytes'])}, {mib(second['peak_bytes'])}",
        ),
        (
            f"Memory of ingest, listing {count:,} objects with none / with all on their way",
            " / ".join(
                mib(measured[name]["resident_bytes"]) for name in ("watching_nothing", "watching")
            ),
        ),
        (
            "– per object on its way: resident, peak",
            f"{measured['bytes_per_object']:.0f}, {measured['peak_bytes_per_object']:.0f} bytes",
        ),
        (
            f"– computed: {SLOT_BYTES} bytes per slot of the hash table",
            f"{SLOT_BYTES * slots(count) / count:.0f} bytes",
        ),
        (
            f"– computed: {ROW_BYTES} bytes per row in {TABLES} tables",
            f"{ROW_BYTES * TABLES} bytes",
        ),
    ]


def indexed(measured):
    listing = measured["listing"]
    return [
        (
            f"Sweep with {measured['rows']:,} of {measured['objects']:,} objects in the tables: "
            "listing",
            f"{listing['keys_per_s']:,.0f} keys/s",
        ),
        ("– the whole command", f"{listing['seconds']:.1f} s"),
        (
            "– memory of ingest: resident, peak",
            " / ".join(mib(size) for size in sizes(measured["watching"])),
        ),
    ]


def endurance(measured, summary):
    rows = [
        (
            f"Endurance: {measured['objects']:,} commits of one row",
            f"{number(measured['commits_per_s'])} commits/s",
        ),
        (
            "– rounds of maintenance: seen, failed steps",
            f"{measured['rounds_seen']}, {measured['failures']:.0f}",
        ),
    ]
    for name, fragments in summary["fragments"].items():
        rows.append(
            (f"– fragments of `{name}`: most, end", f"{fragments['most']}, {fragments['end']}")
        )
    for name, used in summary["resident_bytes"].items():
        rows.append(
            (
                f"– memory of {name}, after a quarter, at the end",
                f"{mib(used['quarter'])}, {mib(used['end'])}",
            )
        )
    for title, took in (
        ("a round of maintenance", measured["round_s"]),
        ("`ingest doctor`", summary["doctor_s"]),
    ):
        rows.append(
            (
                f"– {title}, after a quarter, at the end",
                f"{took['quarter']:.1f} s, {took['end']:.1f} s",
            )
        )
    versions = max(summary["versions"].values())
    rows.append(("– versions of a table kept at the end", f"{versions:,}"))
    return rows


def conditions(about, result):
    text = (
        f"{about['processor']}, {about['cores']} cores, load average {about['load']['before']} "
        f"before and {about['load']['after']} after; {about['profile']} build; {about['date']}."
    )
    if "endurance" in result:
        scaled = result["endurance"]["scaled"]
        text += (
            f" In the endurance run one second stands for {scaled['factor']:.1f} s at one commit "
            f"per second: maintenance every {scaled['MAINTAIN__INTERVAL']} instead of 5 min "
            f"({scaled['rows_per_round']:.0f} rows), a listing every "
            f"{scaled['WATCH__POLL_INTERVAL']} instead of 60 s; versions are kept 6 h as by "
            "default, so none is pruned."
        )
    return text


def slots(count):
    """Slots of a hash table that has grown to hold this many: a power of two, at most 7/8 full."""
    size = 4
    while size * FULLEST < count:
        size *= 2
    return size


def sizes(used):
    return used["resident_bytes"], used["peak_bytes"]


def mib(size):
    return f"{size / 2**20:.0f} MiB"
