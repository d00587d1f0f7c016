#!/usr/bin/env node
// Searches by words and by a picture's bytes with the fetch of Node 18 and newer, or of a browser.
//   BASE=http://127.0.0.1:8080 [API_KEY=...] node search.mjs [WORDS]

const base = (process.env.BASE ?? "http://127.0.0.1:8080").replace(/\/$/, "");
const key = process.env.API_KEY ?? "";
const words = process.argv.slice(2).join(" ") || "夕阳下海滩上的红色汽车";

async function ask(path, options = {}) {
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  const answer = await fetch(base + path, {
    ...options,
    headers,
    signal: AbortSignal.timeout(60_000),
  });
  if (!answer.ok) {
    const problem = await answer.json();
    throw new Error(`${problem.status} ${problem.title}: ${problem.field ?? ""} ${problem.detail}`);
  }
  return answer;
}

function show(title, { hits, took_ms }) {
  if (hits.length === 0) throw new Error("nothing was found");
  console.log(`${title} (${took_ms} ms)`);
  for (const { score, key, captions } of hits) {
    console.log(`  ${score.toFixed(3)}  ${key}  ${Object.values(captions ?? {}).join(" / ")}`);
  }
}

async function main() {
  const query = new URLSearchParams({ q: words, top_k: "3", cutoff: "auto" });
  const found = await (await ask(`/v1/search?${query}`)).json();
  show(`words: ${words}`, found);

  const picture = await (await ask(found.hits[0].thumbnail_url)).blob();
  const form = new FormData();
  form.append("image", picture, "query.jpg");
  form.append("top_k", "3");
  form.append("filter", JSON.stringify({ orientation: "square" }));
  show(
    "square pictures that look alike",
    await (await ask("/v1/search", { method: "POST", body: form })).json(),
  );
}

main().catch((error) => {
  console.error(`error: ${error.message}${error.cause ? ` (${error.cause.message})` : ""}`);
  process.exit(1);
});
