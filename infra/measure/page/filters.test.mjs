import assert from 'node:assert/strict';
import { test } from 'node:test';

import { answered, idsOf, truth, withPage } from './browser.mjs';

// Finds every picture, so that only filters leave some out.
const EVERYTHING = `/?q=${truth()[0].object}&relevant=no`;
const MOST_FACTS = 40;

/** What is known of the first pictures in sight. One by one, or the server sheds requests. */
async function factsOf(page) {
  const facts = [];
  for (const id of (await idsOf(page)).slice(0, MOST_FACTS))
    facts.push(await (await page.request.get(`/v1/images/${id}`)).json());
  return facts;
}

async function search(page, address) {
  await page.goto(address);
  await answered(page);
}

const has = (keyword) => (facts) => (facts.keywords ?? []).includes(keyword);
const addressWith = (pairs) => `${EVERYTHING}&${new URLSearchParams(pairs)}`;
const paramsOf = (page) => new URL(page.url()).searchParams;
const chips = (page) => page.locator('#chips li').allInnerTexts();
const tick = (page, value) =>
  page.locator('.choice', { has: page.locator(`[value="${value}"]`) }).click();

/** Two keywords, each on some pictures that lack the other. */
function independentKeywords(facts) {
  const all = [...new Set(facts.flatMap(({ keywords = [] }) => keywords))];
  const isAlone = (one, other) => facts.some((fact) => has(one)(fact) && !has(other)(fact));
  for (const one of all) {
    const other = all.find((known) => isAlone(one, known) && isAlone(known, one));
    if (other) return [one, other];
  }
  throw new Error(`no two keywords apart: ${all}`);
}

async function twoKeywords(page) {
  await search(page, EVERYTHING);
  return independentKeywords(await factsOf(page));
}

test('a keyword is needed, then one of several, then unwanted, then gone', () =>
  withPage('/', async (page, context) => {
    const [one, other] = await twoKeywords(page);
    await page.click('#filter summary');
    await page.fill('#keyword', one);
    await page.keyboard.press('Enter');
    await answered(page);
    await page.keyboard.press('Escape');
    assert.deepEqual(await chips(page), [`Must have: ${one}`]);
    assert.equal(paramsOf(page).get('keyword'), one);
    let facts = await factsOf(page);
    assert.ok(facts.length > 0 && facts.every(has(one)), `not all have ${one}`);

    await search(page, addressWith({ keyword: one, keyword_any: other }));
    await page.locator('#chips button', { hasText: one }).first().click();
    await answered(page);
    assert.deepEqual(await chips(page), [`Any of: ${one}`, `Any of: ${other}`]);
    assert.deepEqual(paramsOf(page).getAll('keyword_any'), [one, other]);
    facts = await factsOf(page);
    assert.ok(facts.every((fact) => has(one)(fact) || has(other)(fact)));
    assert.ok(!facts.every(has(one)) || !facts.every(has(other)), 'all have both');

    await page.locator('#chips button').first().click();
    await answered(page);
    assert.deepEqual(await chips(page), [`Must not have: ${one}`, `Any of: ${other}`]);
    facts = await factsOf(page);
    assert.ok(facts.length > 0, `none has ${other} without ${one}`);
    assert.ok(facts.every((fact) => !has(one)(fact) && has(other)(fact)));

    const shared = await context.newPage();
    await search(shared, page.url());
    assert.deepEqual(await idsOf(shared), await idsOf(page));
    assert.deepEqual(await chips(shared), await chips(page));

    await page.locator('#chips button').first().click();
    await answered(page);
    assert.deepEqual(await chips(page), [`Any of: ${other}`]);
    await page.goBack();
    await answered(page);
    assert.deepEqual(await chips(page), [`Must not have: ${one}`, `Any of: ${other}`]);
  }));

test('the keyboard changes a keyword, and hears how it counts', () =>
  withPage('/', async (page) => {
    const [one, other] = await twoKeywords(page);
    await search(page, addressWith({ keyword: one, keyword_none: other }));
    const focused = () => page.evaluate(() => document.activeElement.getAttribute('aria-label'));
    await page.locator('#filter summary').focus();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    assert.equal(await focused(), `Must have: ${one}. Change to “any of”`);
    await page.keyboard.press('Enter');
    await answered(page);
    assert.equal(await focused(), `Any of: ${one}. Change to “must not have”`);
    await page.keyboard.press('Space');
    await answered(page);
    assert.equal(await focused(), `Must not have: ${one}. Remove`);
    // The cross beside it.
    await page.keyboard.press('Tab');
    assert.equal(await focused(), `Remove filter: Must not have: ${one}`);
    await page.keyboard.press('Enter');
    await answered(page);
    assert.equal(await focused(), `Must not have: ${other}. Remove`);
    await page.keyboard.press('Enter');
    await answered(page);
    assert.deepEqual(await chips(page), []);
    assert.ok(await page.evaluate(() => document.activeElement.matches('#filter summary')));
    assert.ok((await idsOf(page)).length > 0);
  }));

test('an unwanted keyword alone is no search', () =>
  withPage('/?keyword_none=night', async (page) => {
    let searches = 0;
    page.on('request', (request) => {
      if (request.url().endsWith('/v1/search')) searches += 1;
    });
    await page.reload();
    await page.waitForFunction(
      () =>
        document.getElementById('message-title').textContent === 'What should the pictures show?',
    );
    assert.equal(searches, 0);
    await page.click('#language');
    assert.deepEqual(await chips(page), ['不能有：night']);
  }));

test('only pictures without a date, a place, a caption or keywords', () =>
  withPage(EVERYTHING, async (page, context) => {
    await answered(page);
    assert.ok((await factsOf(page)).some((facts) => facts.taken_at), 'no picture has a date');
    await page.click('#filter summary');
    await tick(page, 'taken_at');
    await answered(page);
    let facts = await factsOf(page);
    assert.ok(facts.length > 0 && facts.every((fact) => !fact.taken_at));
    await tick(page, 'place');
    await answered(page);
    facts = await factsOf(page);
    assert.ok(facts.length > 0 && facts.every((fact) => !fact.taken_at && !fact.longitude));
    assert.deepEqual(await chips(page), ['Without a date', 'Without a place']);
    assert.deepEqual(paramsOf(page).getAll('missing'), ['taken_at', 'place']);

    const shared = await context.newPage();
    await search(shared, page.url());
    assert.deepEqual(await idsOf(shared), await idsOf(page));
    await shared.click('#filter summary');
    assert.ok(await shared.isChecked('[name="missing"][value="place"]'));

    await search(page, addressWith({ missing: 'caption' }));
    assert.ok((await factsOf(page)).every(({ caption }) => !caption));
    await search(page, addressWith({ missing: 'keywords' }));
    assert.ok((await factsOf(page)).every(({ keywords = [] }) => keywords.length === 0));
  }));

test('any of several formats, in one folder and not in another', () =>
  withPage(EVERYTHING, async (page) => {
    await answered(page);
    assert.equal(await page.locator('.choice', { hasText: 'JPEG XL' }).count(), 1);
    await page.click('#filter summary');
    await tick(page, 'png');
    await tick(page, 'webp');
    await answered(page);
    const formats = new Set((await factsOf(page)).map(({ format }) => format));
    assert.deepEqual([...formats].sort(), ['png', 'webp']);

    const keys = truth().map(({ key }) => key);
    const [year, month] = keys.find((key) => /\.(png|webp)$/.test(key)).split('/');
    await page.fill('[name="folder"]', year);
    await page.keyboard.press('Enter');
    await answered(page);
    const inYear = await factsOf(page);
    assert.ok(inYear.length > 0 && inYear.every(({ key }) => key.startsWith(`${year}/`)));
    await page.fill('[name="excludedFolder"]', `${year}/${month}`);
    await page.keyboard.press('Enter');
    await answered(page);
    const inRest = await factsOf(page);
    assert.ok(inRest.length > 0, 'the other months have pictures too');
    assert.ok(inRest.every(({ key }) => key.startsWith(`${year}/`)));
    assert.ok(!inRest.some(({ key }) => key.startsWith(`${year}/${month}/`)));
    const asked = paramsOf(page);
    assert.equal(asked.get('folder'), `${year}/`);
    assert.equal(asked.get('not_folder'), `${year}/${month}/`);
    assert.deepEqual(await chips(page), [
      'PNG',
      'WEBP',
      `In ${year}/`,
      `Not in ${year}/${month}/`,
    ]);
  }));
