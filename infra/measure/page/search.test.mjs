import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { test } from 'node:test';

import { PAGE_URL, SITE, answered, idsOf, keyOf, picture, truth, withPage } from './browser.mjs';

const newest = async (page) => {
  const answer = await page.request.get('/v1/library?limit=1');
  return (await answer.json()).pictures[0].image_id;
};
const samples = truth().filter((_, place) => place % 60 === 0);

for (const language of ['en', 'zh']) {
  test(`words find pictures: ${language}`, () =>
    withPage('/', async (page) => {
      for (const sample of samples) {
        await page.fill('#words', sample[language]);
        await answered(page);
        const first = (await idsOf(page)).slice(0, 5);
        const keys = await Promise.all(first.map((id) => keyOf(page, id)));
        const same = truth()
          .filter((other) => other.en === sample.en)
          .map(({ key }) => key);
        assert.ok(
          keys.some((key) => same.includes(key)),
          `${sample[language]}: ${keys}`,
        );
      }
    }));
}

test('a picture finds itself, and one more example narrows the search', () =>
  withPage('/', async (page) => {
    const { key } = samples[1];
    await page.setInputFiles('#picture-file', picture(key));
    await answered(page);
    assert.equal(await keyOf(page, (await idsOf(page))[0]), key);
    await page.hover('#grid .tile:nth-child(3)');
    await page.click('#grid .tile:nth-child(3) .add');
    await answered(page);
    assert.equal(await page.locator('#examples li').count(), 2);
    assert.match(page.url(), /\?like=[0-9a-f]{32}$/);
  }));

test('a large picture is sent small', () =>
  withPage('/', async (page) => {
    const sent = page.waitForRequest((request) => request.url().endsWith('/v1/search'));
    await page.evaluate(
      async (url) => {
        const { shrink } = await import('/ui/shrink.js');
        const small = await createImageBitmap(await (await fetch(url)).blob());
        const canvas = new OffscreenCanvas(2400, 1800);
        canvas.getContext('2d').drawImage(small, 0, 0, 2400, 1800);
        const large = new File([await canvas.convertToBlob({ type: 'image/png' })], 'large.png');
        const shrunk = await shrink(new File([large, new Uint8Array(1_000_000)], 'large.png'));
        const { width, height } = await createImageBitmap(shrunk);
        globalThis.seen = { width, height, size: shrunk.size };
        const transfer = new DataTransfer();
        transfer.items.add(
          new File([large, new Uint8Array(1_000_000)], 'large.png', { type: 'image/png' }),
        );
        document.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer }));
      },
      `/v1/images/${await newest(page)}/thumbnail`,
    );
    const { width, height, size } = await page.evaluate(() => globalThis.seen);
    assert.deepEqual([width, height], [1024, 768]);
    assert.ok(size < 500_000, `${size} bytes`);
    assert.equal((await (await sent).response()).status(), 200);
  }));

test('the address of a picture of another site is a search, and can be shared', async () => {
  const { key } = samples[3];
  const site = createServer((_, answer) => answer.end(readFileSync(picture(key)))).listen(0, SITE);
  await once(site, 'listening');
  const link = `http://${SITE}:${site.address().port}/cat.jpg`;
  try {
    await withPage(
      '/',
      async (page, context) => {
        await page.fill('#words', link);
        await page.keyboard.press('Enter');
        await answered(page);
        assert.equal(await keyOf(page, (await idsOf(page))[0]), key);
        assert.equal(await page.locator('#examples li').getAttribute('title'), link);
        assert.equal(await page.inputValue('#words'), '');
        const other = await context.newPage();
        await other.goto(page.url());
        await answered(other);
        assert.deepEqual(await idsOf(other), await idsOf(page));
        await other.click('#examples .plain');
        await answered(other);
        assert.equal(await idsOf(other).then(({ length }) => length), 0);
        // Whatever lies on this machine is nobody's business.
        await other.goto(`/?url=${encodeURIComponent(PAGE_URL)}`);
        await other.waitForFunction(() =>
          /image_url: leads nowhere/.test(document.getElementById('message-detail').textContent),
        );
      },
      { expected: /400 .*\/v1\/search/ },
    );
  } finally {
    site.close();
  }
});

test('a link to a search and an open picture shows the same', () =>
  withPage('/', async (page, context) => {
    // A word finds many pictures, a sentence one.
    await page.fill('#words', samples[2].object);
    await answered(page);
    await page.click('#filter summary');
    await page.locator('.choice', { hasText: /^JPEG$/ }).click();
    await answered(page);
    const ids = await idsOf(page);
    await page.keyboard.press('Escape');
    await page.locator('#grid .open').nth(1).click();
    const other = await context.newPage();
    await other.goto(page.url());
    await answered(other);
    assert.deepEqual(await idsOf(other), ids);
    assert.equal(await other.innerText('#viewer-key'), await page.innerText('#viewer-key'));
    assert.equal(await other.locator('#chips li').count(), 1);
  }));

test('scrolling brings every picture once', () =>
  withPage('/?q=boat&relevant=no', async (page) => {
    await answered(page);
    let before = 0;
    for (
      let count = await page.locator('#grid .tile').count();
      count > before;
      count = await page.locator('#grid .tile').count()
    ) {
      before = count;
      await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
      await answered(page);
    }
    const ids = await idsOf(page);
    assert.equal(new Set(ids).size, ids.length);
    assert.ok(ids.length >= truth().length, `${ids.length} pictures`);
  }));

test('the first picture is painted soon after the answer', () =>
  withPage('/', async (page) => {
    await page.evaluate(() => {
      const grid = document.getElementById('grid');
      new MutationObserver((_, observer) => {
        observer.disconnect();
        requestAnimationFrame(() =>
          setTimeout(() => {
            globalThis.paintedAt = performance.now();
          }),
        );
      }).observe(grid, { childList: true });
    });
    await page.fill('#words', samples[0].en);
    await answered(page);
    const took = await page.evaluate(() => {
      const asked = performance
        .getEntriesByType('resource')
        .find(({ name }) => name.endsWith('/v1/search'));
      return Math.round(globalThis.paintedAt - asked.responseEnd);
    });
    assert.ok(took >= 0, `painted ${took} ms after the answer`);
    console.log(`painted ${took} ms after the answer`);
  }));

test('the keyboard alone searches, opens, goes on and closes', () =>
  withPage('/', async (page) => {
    await page.keyboard.press('/');
    await page.keyboard.type(samples[0].object);
    await page.keyboard.press('Enter');
    await answered(page);
    const [first, second] = await idsOf(page);
    for (
      let steps = 0;
      !(await page.evaluate(() => document.activeElement.matches('#grid .open')));
      steps += 1
    ) {
      assert.ok(steps < 20, 'no picture is reached by Tab');
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await page.waitForSelector('#viewer[open]');
    assert.ok(page.url().endsWith(`#image=${first}`));
    await page.keyboard.press('ArrowRight');
    await page.waitForURL(`**#image=${second}`);
    await page.keyboard.press('Escape');
    await page.waitForSelector('#viewer', { state: 'hidden' });
    assert.equal(await page.evaluate(() => document.activeElement.dataset.image), second);
  }));
