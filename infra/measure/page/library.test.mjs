import assert from 'node:assert/strict';
import { test } from 'node:test';

import { eventually, withPage } from './browser.mjs';

const tiles = (page) =>
  page.$$eval('#pages .open', (links) => links.map((link) => link.dataset.image));

test('the library shows everything by date, and lets go of what is far away', () =>
  withPage('/?view=library', async (page) => {
    await page.waitForSelector('#pages .tile');
    const { total } = await (await page.request.get('/v1/library?limit=1')).json();
    const seen = [];
    let most = 0;
    await eventually('all are seen', async () => {
      const now = await tiles(page);
      most = Math.max(most, now.length);
      seen.push(...now.filter((id) => !seen.includes(id)));
      await page.evaluate(() => scrollBy(0, 700));
      return seen.length === Math.min(total, 1000) || seen.length > 1000;
    });
    assert.ok(most <= 500, `${most} tiles at once`);
    const dates = [];
    for (let cursor = ''; dates.length < Math.min(seen.length, 1000);) {
      const { pictures, next_cursor: next } = await (
        await page.request.get(`/v1/library?limit=500${cursor}`)
      ).json();
      dates.push(...pictures);
      cursor = `&cursor=${encodeURIComponent(next)}`;
    }
    assert.deepEqual(
      seen.slice(0, 900),
      dates.slice(0, Math.min(seen.length, 900)).map(({ image_id: id }) => id),
    );
  }));

test('an open picture leads through all pages and back', () =>
  withPage('/?view=library', async (page) => {
    await page.waitForSelector('#pages .tile');
    const order = [];
    for (let cursor = ''; order.length < 230;) {
      const { pictures, next_cursor: next } = await (
        await page.request.get(`/v1/library?limit=100${cursor}`)
      ).json();
      order.push(...pictures.map(({ image_id: id }) => id));
      cursor = `&cursor=${encodeURIComponent(next)}`;
    }
    await page.locator('#pages .open').first().click();
    const go = async (key, id) => {
      await page.keyboard.press(key);
      await page.waitForURL(`**#image=${id}`);
    };
    for (let place = 1; place < 230; place += 1) await go('ArrowRight', order[place]);
    for (let place = 228; place > 200; place -= 1) await go('ArrowLeft', order[place]);
  }));

test('a month is jumped to, and the open picture has neighbours', () =>
  withPage('/?view=library', async (page) => {
    const { months } = await (await page.request.get('/v1/library/months')).json();
    const { month } = months[Math.floor(months.length / 2)];
    await page.click(`#months [data-month="${month}"]`);
    await page.waitForURL(`**to=${month}`);
    await page.waitForSelector('#pages .tile');
    const [first] = await tiles(page);
    const facts = await (await page.request.get(`/v1/library?limit=1&to=${month}-28`)).json();
    assert.ok(facts.pictures[0].date.slice(0, 7) <= month);
    await page.locator('#pages .open').first().click();
    await page.waitForURL(`**#image=${first}`);
    await page.keyboard.press('ArrowRight');
    const [, second] = await tiles(page);
    await page.waitForURL(`**#image=${second}`);
    await page.goBack();
    await page.waitForSelector('#viewer', { state: 'hidden' });
  }));

test('thumbnails that a busy server refuses are asked for again', () =>
  withPage(
    '/',
    async (page) => {
      const refused = new Set();
      let gone = null;
      await page.route('**/v1/images/*/thumbnail', (route) => {
        const { pathname } = new URL(route.request().url());
        gone ??= pathname;
        if (pathname === gone) return route.fulfill({ status: 404, body: '{}' });
        if (refused.has(pathname)) return route.continue();
        refused.add(pathname);
        return route.fulfill({ status: 503, headers: { 'Retry-After': '1' }, body: '{}' });
      });
      await page.goto('/?view=library');
      await eventually('every thumbnail in sight is shown', () =>
        page.evaluate(() => {
          const isNear = (image) => image.getBoundingClientRect().top < innerHeight;
          const images = [...document.querySelectorAll('#pages .tile:not(.missing) img')];
          return (
            images.length > 10 && images.filter(isNear).every((image) => image.naturalWidth > 0)
          );
        }),
      );
      // Only what does not exist is missing, and without a second look.
      assert.equal(await page.locator('#pages .tile.missing').count(), 1);
      assert.ok(refused.size > 10, `${refused.size} were refused`);
    },
    { expected: /(503|404) .*thumbnail/ },
  ));

test('the page works where the browser keeps nothing', () =>
  withPage('about:blank', async (page) => {
    await page.addInitScript(() => {
      for (const name of ['localStorage', 'sessionStorage'])
        Object.defineProperty(globalThis, name, {
          get() {
            throw new DOMException('blocked', 'SecurityError');
          },
        });
    });
    await page.goto('/?view=library');
    await page.waitForSelector('#pages .tile');
    await page.click('#language');
    assert.equal(await page.getAttribute('html', 'lang'), 'zh-CN');
  }));
