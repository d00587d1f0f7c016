// Scrolls through the whole library and prints, as JSON, what that took: run by infra/bench/library.py.
//
//     node scroll.mjs MOST_PICTURES        with PAGE_URL and CHROMIUM in the environment

import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const { PAGE_URL, CHROMIUM = '/usr/bin/chromium' } = process.env;
const most = Number(process.argv[2]);
const SAMPLES = 20;
const STEP_PX = 2400; // three windows
const PAUSE_MS = 30;
const STUCK_MS = 60_000;

const browser = await chromium.launch({ executablePath: CHROMIUM, args: process.getuid() ? [] : ['--no-sandbox'] });
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
const whole = await browser.newBrowserCDPSession();
const inside = await page.context().newCDPSession(page);
await inside.send('Performance.enable');

/** Memory of the page's process, after the garbage is out. */
async function memory() {
  await inside.send('HeapProfiler.collectGarbage');
  const { metrics } = await inside.send('Performance.getMetrics');
  const { processInfo } = await whole.send('SystemInfo.getProcessInfo');
  const resident = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => {
    const [, kibibytes] = readFileSync(`/proc/${id}/status`, 'utf8').match(/^VmRSS:\s+(\d+)/m);
    return Number(kibibytes) * 1024;
  });
  const metric = (wanted) => metrics.find(({ name }) => name === wanted).value;
  return { heap_bytes: metric('JSHeapUsedSize'), nodes: metric('Nodes'), process_bytes: Math.max(...resident) };
}

const begun = performance.now();
await page.goto(`${PAGE_URL}/?view=library`);
await page.waitForSelector('#pages .tile img[src]');
const firstMs = performance.now() - begun;
const { total } = await (await page.request.get(`${PAGE_URL}/v1/library?limit=1`)).json();
const wanted = Math.min(total, most);

const samples = [];
let seen = 0;
let tiles = 0;
let moved = performance.now();
while (seen < wanted) {
  const now = await page.evaluate((step) => {
    scrollBy(0, step);
    const pages = [...document.querySelectorAll('#pages > .page')];
    return {
      // Only the last page may still be on its way.
      pictures: 100 * (pages.length - 1),
      tiles: document.querySelectorAll('#pages .tile').length,
      atEnd: innerHeight + scrollY >= document.documentElement.scrollHeight - 2,
    };
  }, STEP_PX);
  tiles = Math.max(tiles, now.tiles);
  if (now.pictures > seen) moved = performance.now();
  if (performance.now() - moved > STUCK_MS) throw new Error(`no further pictures after ${seen} of ${wanted}`);
  seen = Math.max(seen, now.pictures);
  if (seen >= samples.length * wanted / SAMPLES) samples.push({ pictures: seen, ...await memory() });
  if (total - seen <= 100 && now.atEnd) break;
  await page.waitForTimeout(PAUSE_MS);
}
samples.push({ pictures: seen, ...await memory() });
console.log(JSON.stringify({ total, seen, most_tiles: tiles, first_ms: firstMs, seconds: (performance.now() - begun) / 1000, samples }));
await browser.close();
