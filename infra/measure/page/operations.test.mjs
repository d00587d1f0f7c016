import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { eventually, folder, indexed, picture, put, truth, upload, withPage } from './browser.mjs';

const EMBED = 'embed-demo-clip';
const card = (page, list, name) =>
  page
    .locator(`${list} .card`)
    .filter({ has: page.locator('h2', { hasText: new RegExp(`^${name}$`) }) });
const says = (place, words) =>
  eventually(`it says ${words}`, async () => words.test(await place.innerText()));
const button = (place, name) => place.getByRole('button', { name, exact: true });

test('a paused stage lets work wait, and goes on', () =>
  withPage('/?view=operations', async (page, context) => {
    const stage = card(page, '#stages', EMBED);
    await button(stage, 'Pause').click();
    await says(stage, /Paused by/);
    const key = 'uploads/paused.jpg';
    put(key, picture(truth()[5].key));
    await says(stage, /queued\s+1\b/);
    const answer = await context.request.get(`/v1/objects?${new URLSearchParams({ key })}`);
    assert.equal((await answer.json()).indexed, false);
    await button(stage, 'Resume').click();
    await says(stage, /Working/);
    await indexed(page, key);
  }));

test('a dry sweep says what it would do', () =>
  withPage('/?view=operations', async (page) => {
    await button(page, 'Sweep, dry run').click();
    await says(page.locator('#running'), /Sweep .*done.*dry run.*objects/s);
  }));

test('a broken file is a dead letter with a reason; mended and replayed it is found', async () => {
  const own = mkdtempSync(join(tmpdir(), 'page-'));
  const broken = join(own, 'broken.jpg');
  writeFileSync(
    broken,
    Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), Buffer.alloc(5000, 'no picture ')]),
  );
  await withPage('/', async (page) => {
    const [{ key }] = await upload(page, [broken]);
    await page.goto('/?view=operations&part=dead');
    await page.fill('#dead-filter [name=key]', '**/broken-*.jpg');
    const group = page.locator('#groups li').filter({ hasText: EMBED }).first();
    await eventually('the broken file is dead', () => group.count());
    assert.match(await group.locator('summary').innerText(), /\w+ \w+/);
    await group.locator('summary').click();
    const letter = page.locator('.letters button').first();
    await letter.waitFor();
    assert.equal(await letter.innerText(), key);
    await letter.click();
    await says(page.locator('#ask-detail'), /reason\s+\S.*attempts\s+\d/s);
    await button(page.locator('#ask'), 'Close').click();
    put(key, picture(truth(folder)[0].key, folder));
    await button(group, 'Replay').click();
    await says(page.locator('#ask-detail'), /Dry run: 0 objects are as they were, 1 were replaced/);
    await button(page.locator('#ask'), 'Replay').click();
    await says(page.locator('#running'), /Replay .*done.*moved 1/s);
    await indexed(page, key);
    await eventually('the letter is gone', async () => !(await group.count()));
  });
});

test('a question does not outlive its page, nor take the place of another one', () =>
  withPage('/?view=operations', async (page) => {
    const stage = card(page, '#stages', EMBED);
    await button(stage, 'Cancel backfill').click();
    await says(page.locator('#ask-title'), /Cancel the backfill/);
    // What is asked meanwhile waits for its turn.
    await page.evaluate(async () => {
      const { ask } = await import('/ui/operations/ask.js');
      globalThis.answered = ask('The second question', '', 'Yes');
    });
    assert.match(await page.innerText('#ask-title'), /Cancel the backfill/);
    await button(page.locator('#ask'), 'Close').click();
    await says(page.locator('#ask-title'), /The second question/);
    await page.evaluate(() => {
      document.querySelector('#to-search').click();
    });
    await page.waitForFunction(() => document.body.dataset.view === 'search');
    assert.equal(await page.evaluate(() => globalThis.answered), false);
    await page.keyboard.press('/');
    await page.keyboard.type('boat');
    await page.waitForSelector('#grid .tile');
  }));

// The refusal of a model that is not complete is the browser's to log.
test('another model takes over and gives back', () =>
  withPage('/?view=operations&part=models', async (page) => {
    const second = card(page, '#models', 'second');
    const captioner = card(page, '#models', 'demo-captioner');
    await says(captioner, /Writes captions/);
    assert.equal(
      await captioner.getByRole('button').count(),
      0,
      'a captioner cannot answer searches',
    );
    await eventually(
      'the second model has all pictures',
      async () => {
        await page.reload();
        await second.waitFor();
        return /100\s?%/.test(await second.innerText());
      },
      180,
    );
    for (const name of ['second', 'demo-clip']) {
      await button(card(page, '#models', name), 'Activate').click();
      await button(page.locator('#ask'), 'Activate').click();
      await says(card(page, '#models', name), /Active: answers searches/);
      await eventually(`searches are answered by ${name}`, async () => {
        await page.goto('/?q=boat');
        await page.waitForFunction(() =>
          document.querySelector('#summary').textContent.includes('·'),
        );
        return (await page.innerText('#summary')).endsWith(name);
      });
      await page.goto('/?view=operations&part=models');
    }
  }));
