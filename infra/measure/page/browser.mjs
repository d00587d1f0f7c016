// A browser that notices what the page must never do: log an error, ask another host, open a
// dialog.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

export const { PAGE_URL, SITE } = process.env;
const { STORE_URL, PICTURES, FOLDER, PYTHON, CHROMIUM = '/usr/bin/chromium' } = process.env;

export const folder = FOLDER;
/** What the pictures in the bucket show, and those in the folder for uploads: [{ key, en, zh }]. */
export const truth = (where = PICTURES) => JSON.parse(readFileSync(join(where, 'captions.json')));
export const picture = (key, where = PICTURES) => join(where, key);

/**
 * Does `work` with a page. The console may hold only messages that match the pattern `expected`;
 * anything else fails the test.
 */
export async function withPage(path, work, { width = 1280, expected = /(?!)/, ...options } = {}) {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: process.getuid() ? [] : ['--no-sandbox'],
  });
  try {
    const context = await browser.newContext({
      viewport: { width, height: 800 },
      locale: 'en-GB',
      baseURL: PAGE_URL,
      ...options,
    });
    const wrong = [];
    const watch = (page) => {
      page.on('console', (message) => {
        const told = `${message.text()} ${message.location().url}`;
        if (message.type() === 'error' && !expected.test(told)) wrong.push(told);
      });
      page.on('pageerror', (error) => wrong.push(error.stack));
      page.on('dialog', (dialog) => {
        wrong.push(`dialog: ${dialog.message()}`);
        dialog.dismiss();
      });
      page.on('request', (request) => {
        const { protocol, origin } = new URL(request.url());
        if (!['blob:', 'data:'].includes(protocol) && ![PAGE_URL, STORE_URL].includes(origin))
          wrong.push(`asked ${request.url()}`);
      });
    };
    context.on('page', watch);
    const page = await context.newPage();
    await page.goto(path);
    await work(page, context);
    assert.deepEqual(wrong, []);
  } finally {
    await browser.close();
  }
}

/** Waits until an answer is drawn, that of a search under way included. */
export async function answered(page) {
  await page.waitForTimeout(500);
  await page.waitForFunction(() => document.getElementById('progress').hidden);
}

export const idsOf = (page) =>
  page.$$eval('#grid .open', (links) => links.map((link) => link.dataset.image));
export const keyOf = async (page, id) =>
  (await (await page.request.get(`/v1/images/${id}`)).json()).key;

/** Looks again and again until `look` gives something true. */
export async function eventually(what, look, seconds = 60) {
  const deadline = Date.now() + seconds * 1000;
  while (Date.now() < deadline) {
    const seen = await look();
    if (seen) return seen;
    await new Promise((resolve) => {
      setTimeout(resolve, 250);
    });
  }
  throw new Error(`not within ${seconds} s: ${what}`);
}

/** Puts a file into the bucket behind the page's back. */
export const put = (key, file) =>
  execFileSync(PYTHON, [join(import.meta.dirname, 'put.py'), key, file]);

/** What the server says of an object once it can be searched. */
export const indexed = (page, key, seconds) =>
  eventually(
    `${key} can be searched`,
    async () => {
      const answer = await page.request.get(`/v1/objects?${new URLSearchParams({ key })}`);
      return answer.ok() && (await answer.json()).indexed;
    },
    seconds,
  );

/** Uploads files by the upload view, waits until all are stored; returns the server's answers. */
export async function upload(page, files) {
  const answers = [];
  page.on('response', async (answer) => {
    if (answer.url().endsWith('/v1/uploads') && answer.ok())
      answers.push(...(await answer.json()).uploads);
  });
  await page.goto('/?view=upload');
  await page.waitForSelector('#drop-zone:not([hidden])');
  await page.setInputFiles(typeof files === 'string' ? '#folder' : '#files', files);
  await page.waitForFunction(
    () =>
      ['upload-total', 'upload-cancel'].map((id) => document.getElementById(id).hidden).join() ===
      'false,true',
  );
  return answers;
}
