import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, copyFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import {
  answered,
  folder,
  idsOf,
  indexed,
  keyOf,
  picture,
  put,
  truth,
  upload,
  withPage,
} from './browser.mjs';

const HOSTILE = '<img src=x onerror=alert(1)>';

test('a folder is uploaded and its pictures are found', () =>
  withPage('/', async (page) => {
    const pictures = truth(folder);
    const links = await upload(page, folder);
    // captions.json lies in it too, and is no picture.
    assert.equal(links.length, pictures.length);
    assert.match(await page.innerText('#skipped-count'), /^1 file skipped/);
    await page.waitForFunction(
      (count) => document.querySelectorAll('.transfer.searchable img[src]').length === count,
      pictures.length,
      { timeout: 90_000 },
    );
    await page.locator('.transfer .similar').first().click();
    await answered(page);
    const key = await keyOf(page, (await idsOf(page))[0]);
    assert.ok(
      links.some((link) => link.key === key),
      `${key} is none of those uploaded`,
    );
  }));

test('the same folder again sends nothing twice', () =>
  withPage('/', async (page) => {
    const puts = [];
    page.on('request', (request) => {
      if (request.method() === 'PUT') puts.push(request.url());
    });
    await page.goto('/?view=upload');
    await page.evaluate(() =>
      localStorage.setItem('bucketlens.upload', JSON.stringify({ name: 'folder', left: 3 })),
    );
    await page.reload();
    await page.waitForSelector('#unfinished:not([hidden])');
    await upload(page, folder);
    assert.match(await page.innerText('#upload-counts'), /^20 of 20 stored/);
    assert.deepEqual(puts, []);
    assert.equal(await page.evaluate(() => localStorage.getItem('bucketlens.upload')), null);
  }));

test('names and keys that look like HTML are shown as text', () =>
  withPage('/', async (page) => {
    const own = mkdtempSync(join(tmpdir(), 'page-'));
    const file = join(own, `${HOSTILE}.jpg`);
    const [sample] = truth(folder).filter(({ key }) => key.endsWith('.jpg'));
    copyFileSync(picture(sample.key, folder), join(own, 'x'));
    renameSync(join(own, 'x'), file);
    const key = `uploads/odd/${HOSTILE}"'.jpg`;
    put(key, picture(truth()[0].key));
    await indexed(page, key);
    await upload(page, [file]);
    assert.equal(await page.innerText('.transfer .name'), `${HOSTILE}.jpg`);
    const { image_id: id } = await (
      await page.request.get(`/v1/objects?${new URLSearchParams({ key })}`)
    ).json();
    await page.goto(`/?like=${id}#image=${id}`);
    await page.waitForFunction(
      (shown) => document.getElementById('viewer-key').textContent === shown,
      key,
    );
    await page.keyboard.press('Escape');
    await answered(page);
    assert.equal(await page.locator('img[src="x"]').count(), 0);
  }));
