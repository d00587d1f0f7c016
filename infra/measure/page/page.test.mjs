import assert from 'node:assert/strict';
import { test } from 'node:test';

import { PAGE_URL, truth, withPage } from './browser.mjs';

// Of all views together, as a browser gets them: compressed.
const MOST_BYTES = 78_000;
// Dead letters may be about objects that are gone; the browser logs that answer.
const expected = /404 .*\/v1\/objects/;
const VIEWS = [
  '/',
  `/?q=${encodeURIComponent(truth()[0].en)}`,
  '/?view=library',
  '/?view=upload',
  '/?view=operations',
  '/?view=operations&part=dead',
  '/?view=operations&part=models',
];

for (const [width, colorScheme] of [
  [360, 'light'],
  [800, 'dark'],
  [1400, 'light'],
]) {
  test(`nothing is wider than the window: ${width}, ${colorScheme}`, () =>
    withPage(
      '/',
      async (page) => {
        for (const view of VIEWS) {
          await page.goto(view);
          await page.waitForTimeout(1000);
          assert.equal(
            await page.evaluate(() => document.documentElement.scrollWidth),
            width,
            view,
          );
        }
      },
      { width, colorScheme, expected },
    ));
}

test('all views together are light', () =>
  withPage('/', async (_, context) => {
    // One that has no files yet.
    const fresh = await context.browser().newContext({ baseURL: PAGE_URL });
    const page = await fresh.newPage();
    const sizes = new Map();
    const reading = [];
    const isOurs = ({ pathname }) => pathname === '/' || pathname.startsWith('/ui/');
    page.on('requestfinished', (request) => {
      const url = new URL(request.url());
      if (isOurs(url))
        reading.push(
          request.sizes().then(({ responseBodySize }) => sizes.set(url.pathname, responseBodySize)),
        );
    });
    await page.goto('/');
    for (const view of ['library', 'upload', 'operations']) {
      await page.click(`#views [data-view="${view}"]`);
      await page.waitForSelector(`#view .${view}`);
    }
    await Promise.all(reading);
    const bytes = [...sizes.values()].reduce((sum, size) => sum + size);
    console.log(`${sizes.size} files, ${bytes} bytes`);
    assert.ok(sizes.size > 30 && bytes <= MOST_BYTES, `${bytes} bytes`);
    // Then they are kept: what is asked again is answered without a body.
    const again = [];
    page.on('response', (answer) => {
      if (isOurs(new URL(answer.url()))) again.push(answer.status());
    });
    await page.reload();
    await page.waitForSelector('#view .operations');
    // What the browser has in its memory it does not even ask for, and says 200.
    assert.ok(again.filter((status) => status === 304).length > 20, again.join());
  }));

test('Back and Forward go through the views', () =>
  withPage('/', async (page) => {
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

test('the page speaks Chinese too', () =>
  withPage(
    '/?view=operations',
    async (page) => {
      await page.waitForSelector('#stages .card');
      await page.click('#language');
      for (const view of VIEWS) {
        await page.goto(view);
        await page.waitForTimeout(500);
        assert.equal(await page.getAttribute('html', 'lang'), 'zh-CN');
      }
      assert.match(await page.innerText('#views'), /图库/);
    },
    { expected },
  ));
