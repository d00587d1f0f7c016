"""The measured numbers as a table for the README."""

PROCESSES = {
    "embedder": "embedder",
    "searcher": "searcher",
    "ingest": "ingest",
    "broker": "broker",
    "devstore": "store",
}


def table(results, waits):
    """`results`: one per model; `waits`: the waiting times, measured with the first model only."""
    rows = [
        ("", [result["title"] for result in results]),
        ("---", ["---:"] * len(results)),
        ("Pictures", [result["pictures"] for result in results]),
        (
            "Pictures per second, upload queue to table",
            [number(r["chain"]["images_per_s"]) for r in results],
        ),
        (
            "Pictures per second, ONNX Runtime alone",
            [number(r["alone"]["encode_images_per_s"]) for r in results],
        ),
        ("CPU per picture: whole embedder", [ms(r["chain"]["cpu_s"]["embedder"]) for r in results]),
        ("– ONNX Runtime alone", [ms(r["alone"]["encode_cpu_s"]) for r in results]),
        ("– decode and resize alone", [ms(r["alone"]["decode_resize_cpu_s"]) for r in results]),
        ("– thumbnail and fingerprint alone", [ms(extras(r)) for r in results]),
        ("– the rest: download, hashing, queue, tables", [ms(rest(r)) for r in results]),
        (
            "**Whole embedder ÷ (ONNX Runtime + decode and resize)**",
            [f"**{r['ratio']:.2f}**" for r in results],
        ),
    ]
    for name in ("searcher", "ingest", "broker", "devstore"):
        row = f"CPU per picture meanwhile: {PROCESSES[name]}"
        rows.append((row, [ms(r["chain"]["cpu_s"][name]) for r in results]))
    blank = ["–"] * (len(results) - 1)
    for name, row in (
        ("put_to_searchable_polling", "Upload to searchable, listing every 2 s"),
        ("put_to_searchable_event", "Upload to searchable, with events"),
        ("text_search", "Text search"),
    ):
        wait = waits[name]
        rows.append(
            (
                f"{row}, p50 / p99 of {wait['count']}",
                [f"{ms(wait['p50_s'])} / {ms(wait['p99_s'])}", *blank],
            )
        )
    for name, title in PROCESSES.items():
        rows.append(
            (
                f"Peak memory: {title}",
                [f"{r['peak_memory_bytes'][name] / 2**20:.0f} MiB" for r in results],
            )
        )
    return "\n".join(f"| {row} | {' | '.join(cells)} |" for row, cells in rows)


def conditions(about):
    return (
        f"{about['processor']}, {about['cores']} cores; {about['profile']} build, one embedder, "
        f"batch {about['batch']}, {about['threads']} threads; {about['pictures']}; "
        f"{about['rounds']}; {about['date']}. int8 against fp32 on {about['gate']}."
    )


def extras(result):
    return result["alone"]["thumbnail_cpu_s"] + result["alone"]["fingerprint_cpu_s"]


def rest(result):
    alone = result["alone"]
    known = alone["encode_cpu_s"] + alone["decode_resize_cpu_s"] + extras(result)
    return max(0, result["chain"]["cpu_s"]["embedder"] - known)


def number(value):
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def ms(seconds):
    value = seconds * 1000
    return (
        f"{value:.2f} ms" if value < 10 else f"{value:.1f} ms" if value < 100 else f"{value:.0f} ms"
    )
