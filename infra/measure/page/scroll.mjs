// Scrolls through the whole library and prints, as JSON, what that took: run by
// infra/measure/bench/library.py.
//
//     node scroll.mjs MOST_PICTURES        with PAGE_URL and CHROMIUM in the environment
//
// The browser is asked over its own protocol, because libraries that drive browsers let it keep
// every request it ever made.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const { PAGE_URL, CHROMIUM = '/usr/bin/chromium' } = process.env;
const most = Number(process.argv[2]);
const SAMPLES = 20;
const STEP_PX = 2400; // three windows
const PAUSE_MS = 30;
const STUCK_MS = 60_000;

const profile = mkdtempSync(join(tmpdir(), 'scroll-'));
const browser = spawn(
  CHROMIUM,
  [
    '--headless',
    '--remote-debugging-pipe',
    `--user-data-dir=${profile}`,
    '--window-size=1280,800',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    ...(process.getuid() ? [] : ['--no-sandbox']),
    'about:blank',
  ],
  { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
);

const waiting = new Map(); // id → who waits for the answer
let unread = '';
browser.stdio[4].setEncoding('utf8').on('data', (text) => {
  const messages = (unread + text).split('\0');
  unread = messages.pop();
  for (const { id, result, error } of messages.map((message) => JSON.parse(message))) {
    const { resolve, reject } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (error) reject?.(new Error(error.message));
    else resolve?.(result);
  }
});
let asked = 0;
const ask = (method, params = {}, sessionId = undefined) =>
  new Promise((resolve, reject) => {
    asked += 1;
    waiting.set(asked, { resolve, reject });
    browser.stdio[3].write(`${JSON.stringify({ id: asked, method, params, sessionId })}\0`);
  });

const { targetInfos } = await ask('Target.getTargets');
const { targetId } = targetInfos.find(({ type }) => type === 'page');
const { sessionId } = await ask('Target.attachToTarget', { targetId, flatten: true });
const inPage = (method, params) => ask(method, params, sessionId);

async function evaluate(expression) {
  const { result, exceptionDetails } = await inPage('Runtime.evaluate', {
    expression,
    returnByValue: true,
  });
  if (exceptionDetails)
    throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  return result.value;
}

/** Memory of the page's process, after the garbage is out. */
async function memory() {
  await inPage('HeapProfiler.collectGarbage');
  const { metrics } = await inPage('Performance.getMetrics');
  const { processInfo } = await ask('SystemInfo.getProcessInfo');
  const resident = processInfo
    .filter(({ type }) => type === 'renderer')
    .map(({ id }) => {
      const [, kibibytes] = readFileSync(`/proc/${id}/status`, 'utf8').match(/^VmRSS:\s+(\d+)/m);
      return Number(kibibytes) * 1024;
    });
  const metric = (wanted) => metrics.find(({ name }) => name === wanted).value;
  return {
    heap_bytes: metric('JSHeapUsedSize'),
    nodes: metric('Nodes'),
    process_bytes: Math.max(...resident),
  };
}

// Only the last page may still be on its way.
const LOOK = `scrollBy(0, ${STEP_PX}), {
  pictures: 100 * (document.querySelectorAll('#pages > .page').length - 1),
  tiles: document.querySelectorAll('#pages .tile').length,
  atEnd: innerHeight + scrollY >= document.documentElement.scrollHeight - 2,
}`;

async function scroll() {
  const begun = performance.now();
  await inPage('Performance.enable');
  await inPage('Page.navigate', { url: `${PAGE_URL}/?view=library` });
  while (!(await evaluate("Boolean(document.querySelector('#pages .tile img[src]'))")))
    await pause(20);
  const firstMs = performance.now() - begun;
  const { total } = await (await fetch(`${PAGE_URL}/v1/library?limit=1`)).json();
  const wanted = Math.min(total, most);

  const samples = [];
  let [seen, tiles, moved] = [0, 0, performance.now()];
  const sample = async () => {
    samples.push({ pictures: seen, ...(await memory()) });
    console.error(JSON.stringify(samples.at(-1)));
  };
  while (seen < wanted) {
    const now = await evaluate(LOOK);
    tiles = Math.max(tiles, now.tiles);
    if (now.pictures > seen) moved = performance.now();
    if (performance.now() - moved > STUCK_MS)
      throw new Error(`no further pictures after ${seen} of ${wanted}`);
    seen = Math.max(seen, now.pictures);
    if (seen >= (samples.length * wanted) / SAMPLES) await sample();
    if (total - seen <= 100 && now.atEnd) break;
    await pause(PAUSE_MS);
  }
  await sample();
  return {
    total,
    seen,
    most_tiles: tiles,
    first_ms: firstMs,
    seconds: (performance.now() - begun) / 1000,
    samples,
  };
}

try {
  console.log(JSON.stringify(await scroll()));
} finally {
  const ended = new Promise((resolve) => {
    browser.once('exit', resolve);
  });
  await ask('Browser.close').catch(() => {});
  await ended;
  rmSync(profile, { recursive: true, force: true });
}
