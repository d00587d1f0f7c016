import assert from 'node:assert/strict';
import { test } from 'node:test';

import { truth, withPage } from './browser.mjs';

const MOST_BYTES = 150_000;
// Dead letters may be about objects that are gone; the browser logs that answer.
const expected = /404 .*\/v1\/objects/;
const VIEWS = ['/', `/?q=${encodeURIComponent(truth()[0].en)}`, '/?view=library', '/?view=upload', '/?view=operations',
  '/?view=operations&part=dead', '/?view=operations&part=models'];

for (const [width, colorScheme] of [[360, 'light'], [800, 'dark'], [1400, 'light']]) {
  test(`nothing is wider than the window: ${width}, ${colorScheme}`, () => withPage('/', async (page) => {
    for (const view of VIEWS) {
      await page.goto(view);
      await page.waitForTimeout(1000);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width, view);
    }
  }, { width, colorScheme, expected }));
}

test('all views together are light', () => withPage('/', async (page) => {
  const sizes = new Map();
  const reading = [];
  page.on('response', (answer) => {
    const { pathname } = new URL(answer.url());
    if (pathname === '/' || pathname.startsWith('/ui/')) reading.push(answer.body().then((body) => sizes.set(pathname, body.length)));
  });
  await page.reload();
  for (const view of ['library', 'upload', 'operations']) {
    await page.click(`#views [data-view="${view}"]`);
    await page.waitForSelector(`#view .${view}`);
  }
  await Promise.all(reading);
  const bytes = [...sizes.values()].reduce((sum, size) => sum + size);
  console.log(`${sizes.size} files, ${bytes} bytes`);
  assert.ok(sizes.size > 30 && bytes <= MOST_BYTES, `${bytes} bytes`);
}));

test('Back and Forward go through the views', () => withPage('/', async (page) => {
  for (const view of ['library', 'upload', 'operations', 'search']) {
    await page.click(`#views [data-view="${view}"]`);
    assert.equal(await page.locator('#views [aria-current]').getAttribute('data-view'), view);
  }
  for (const view of ['operations', 'upload', 'library', 'search']) {
    await page.goBack();
    await page.waitForFunction((shown) => document.body.dataset.view === shown, view);
  }
  await page.goForward();
  await page.waitForSelector('#pages .tile');
  assert.match(await page.title(), /^Library/);
}));

test('the page speaks Chinese too', () => withPage('/?view=operations', async (page) => {
  await page.waitForSelector('#stages .card');
  await page.click('#language');
  for (const view of VIEWS) {
    await page.goto(view);
    await page.waitForTimeout(500);
    assert.equal(await page.getAttribute('html', 'lang'), 'zh-CN');
  }
  assert.match(await page.innerText('#views'), /图库/);
}, { expected }));
