// What a person does in the console at length, in a real Chromium. ConsoleTest starts all that it needs and runs it.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, afterEach, test} from 'node:test';
import {given, lists, start} from './browser.mjs';

/** produce: the command that publishes lists */
const {url, demo, out, produce} = given;
const titles = [...new Set(lists.flatMap(list => list.candidates).map(one => one.text).filter(Boolean))];
const {page, complaints, close, copyPicture, copyText, drop, exported, field, hit, look, open, paste, press, ranked, rerank, texts, type, unfold, until,
  upload} = await start();

after(close);
afterEach(() => assert.deepEqual(complaints.splice(0), [], 'errors in the browser'));

const documentsHeld = many => until(n => document.querySelectorAll('.two .field')[1].textContent.includes(` · ${n}`), many);

/** A part of the page, for the README. */
const picture = (name, y, height) => page.screenshot({
  path: join(out, `console-${name}.webp`), type: 'webp', quality: 85, clip: {x: 0, y, width: 1280, height}});

test('a page of its own says that the network is loaded', async () => {
  await open('batch');
  await page.waitForSelector('.health.fine');
  assert.ok((await texts('.scenes .hint'))[0].includes('demo network'));
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'skip', 'the keyboard begins with the way to the content');
  for (const [tool, changed] of [['.tool[aria-label]', 'dark'], ['.tool[aria-label]', 'light'], ['.tool[lang=zh-CN]', 'zh-CN'], ['.tool[lang=en]', 'en']]) {
    await hit(tool);
    await until(value => [document.documentElement.lang, document.documentElement.dataset.theme].includes(value), changed);
  }
});

test('one pair, with an uploaded and a pasted picture, and why', async () => {
  await open('single');
  await type('Query: Text', 'Pink checked hat for the beach');
  await upload(1, join(demo, 'images/hat-032.jpg'));
  await page.waitForSelector('.held img');
  await page.keyboard.down('Control');
  await hit(field('Query: Text'));
  await page.keyboard.press('Enter');
  await page.keyboard.up('Control');
  await until(() => /^[01]\.\d{3}$/.test(document.querySelector('.big')?.textContent));

  await copyPicture(join(demo, 'images/hat-043.png'));
  await paste('Query: Text');
  await until(() => document.querySelectorAll('.held img').length === 2);
  await hit('.held .x');
  await until(() => document.querySelectorAll('.held img').length === 1);
  await type('Document: Text', 'Beach hat. Checked, cute, in pink.');
  await press('Why?');
  await until(() => document.querySelectorAll('.regions .grid span').length === 9 && document.querySelectorAll('.part').length > 1);
  const effects = (await texts('.why + .scroll tbody td:nth-child(3)')).map(text => Math.abs(Number(text.replace('−', '-'))));
  assert.deepEqual(effects, [...effects].sort((a, b) => b - a), 'what matters most comes first');
  assert.equal((await page.$$('.grid .for, .grid .against, .part.for, .part.against')).length, effects.filter(effect => effect > 0).length, 'colours are effects');
  const region = await page.evaluateHandle(() => [...document.querySelectorAll('.why + .scroll tbody tr')].find(row => row.textContent.startsWith('Region 2·3')));
  await region.hover();
  assert.ok(await page.$eval('.grid span:nth-child(6)', cell => cell.classList.contains('pointed')));
  assert.ok(!await page.$('.results.stale'));
  await hit('.held .zoom');
  await page.waitForSelector('dialog.large[open] img');
  await page.keyboard.press('Escape');
  await until(() => !document.querySelector('dialog'));
  assert.ok((await texts('.why + .scroll tbody tr')).length >= 11);
  await picture('single', 0, 1240);
  await look('single');

  const words = Array.from({length: 45}, (_, i) => `word${i}`).join(' ');
  await type('Document: Text', words);
  await upload(1, join(demo, 'images/hat-043.png'));
  await until(() => document.querySelectorAll('.held img').length === 2);
  assert.ok(await page.$('.results.stale'), 'what is shown is of another input');
  const asked = page.waitForRequest(`${url}/api/lists`);
  await press('Why?');
  const {candidates} = JSON.parse(await (await asked).fetchPostData());
  assert.ok(candidates.every(one => one.images.length === 2 && one.images.every(image => image.startsWith('data:image/jpeg'))), 'all are drawn anew');
  await until(() => document.querySelectorAll('.part').length === 40);
  assert.equal((await texts('.part')).join(''), words, 'no part of the text is missing');

  await upload(0, join(demo, 'README.md'));
  await until(() => document.querySelector('.trouble').textContent.includes('README.md'));
});

test('fifty pasted lines, exported three ways', async () => {
  await open('batch');
  const hostile = '<img src=x onerror=alert(1)> | =cmd()';
  const lines = [...titles.slice(0, 48), 'long '.repeat(150), hostile];
  await type('Query: Text', lists[0].query.text);
  await copyText(lines.join('\n'));
  await paste('Documents');
  await rerank();
  const rows = await ranked();
  assert.equal(rows.length, 50);
  assert.deepEqual(rows.map(row => row.score), rows.map(row => row.score).sort((a, b) => b - a));
  assert.ok(rows.some(row => row.text.includes(hostile)));
  assert.ok((await texts('.note')).some(note => note.includes('512')));
  assert.equal((await texts('.before li')).length, 50);
  assert.ok((await texts('.legend li')).length >= 4);
  await hit('.after th:nth-child(3) button');
  await until(() => document.querySelector('.after th:nth-child(3)').ariaSort === 'ascending');

  await press('JSON');
  const json = JSON.parse(await exported('reranked.json'));
  assert.equal(json.results.length, 50);
  await press('CSV');
  const csv = await exported('reranked.csv');
  assert.equal(csv.trim().split('\r\n').length, 51);
  assert.ok(csv.startsWith('\ufeff"id","rank"'));
  assert.ok(csv.includes(`"${json.results[0].score}"`), 'scores are whole');
  await press('Markdown');
  const markdown = await exported('reranked.md');
  assert.equal(markdown.trim().split('\n').length, 52);
  assert.ok(markdown.includes('&lt;img') && !markdown.includes('<img'));

  // edited while the request runs, which begins and is not yet answered within one turn of the page
  await page.evaluate(edited => {
    document.querySelector('.after tbody').dataset.old = 'yes';
    document.querySelector('.actions .button').click();
    const area = document.querySelector('textarea[aria-label="Documents"]');
    area.value = edited;
    area.dispatchEvent(new Event('input'));
  }, ['one more', ...lines].join('\n'));
  await page.waitForSelector('.after tbody:not([data-old])');
  assert.ok(await page.$('.results.stale'), 'edited meanwhile: the results say so');
  assert.equal((await ranked()).length, 20, 'the others are folded');
  await unfold();
  assert.deepEqual(new Set((await ranked()).map(row => row.text.trim())), new Set(lines.map(line => line.trim())), 'scores stand beside what was scored');
  await rerank();
  assert.equal((await ranked()).length, 51, 'the API takes them');
});

test('all lists of a file', async () => {
  await open('batch');
  const some = lists.slice(0, 12);
  writeFileSync(join(out, 'some.jsonl'), [...some.slice(0, 5).map(list => JSON.stringify(list)), 'no list', ...some.slice(5).map(list => JSON.stringify(list))].join('\n'));
  await drop('textarea[aria-label="Documents"]', join(out, 'some.jsonl'));
  await until(() => document.querySelector('.page').textContent.includes('lines 6.'));
  await press('Rerank all 12 lists');
  await page.waitForSelector('table.all');
  assert.equal((await texts('table.all tbody tr')).length, 13, 'twelve and their mean');
  const [before, after] = (await texts('table.all .mean td')).map(Number);
  assert.ok(after > before && after <= 1, `${before}, then ${after}`);
  await press('Download all');
  const answers = (await exported('reranked.jsonl')).trim().split('\n').map(line => JSON.parse(line));
  assert.deepEqual(answers.map(answer => answer.request_id), some.map(list => list.request_id));
  await hit('table.all .link');
  await page.waitForSelector('.after tbody tr');
});

test('dropped lists and a dropped folder, two instructions compared', async () => {
  await open('batch');
  await drop('textarea[aria-label="Documents"]', join(demo, 'lists.jsonl'));
  await until(() => document.querySelector('.page').textContent.includes('Lists in lists.jsonl'));
  const pictured = lists.findIndex(list => list.query.text && list.candidates.every(one => one.images.length));
  await page.select('.drop select', String(pictured));
  await until(many => document.querySelectorAll('.drop .thumbs img').length === Math.min(24, many), lists[pictured].candidates.length);
  await page.locator('input[type=number]').fill('10');
  await rerank();
  await hit('.after th:first-child button');
  const first = await ranked();
  assert.deepEqual(first.slice(0, 10).map(row => row.rank), Array.from({length: 10}, (_, i) => String(i + 1)));
  assert.equal(first.length, lists[pictured].candidates.length, 'those left out are shown too');
  await picture('batch', await page.$eval('.sides', node => node.getBoundingClientRect().top + scrollY) - 20, 800);
  await look('batch');

  await type('Instruction', 'Find the pictures of things to sit on');
  await rerank();
  assert.notDeepEqual((await ranked()).map(row => row.score), first.map(row => row.score));
  await hit('.check input');
  await page.waitForSelector('.check input:checked');
  await rerank();
  assert.equal((await texts('.after tbody td:nth-child(5) .score')).length, first.length);
  await look('compare');

  await drop('textarea[aria-label="Documents"]', join(demo, 'images'));
  await documentsHeld(lists[pictured].candidates.length + readdirSync(join(demo, 'images')).length);

  assert.equal(await page.$eval('textarea[aria-label="Documents"]', area => area.readOnly), true, 'typing would lose the attributes');
  await press('Remove all');
  await until(() => !document.querySelector('textarea[aria-label="Documents"]').readOnly);
  writeFileSync(join(out, 'many.txt'), Array.from({length: 51}, (_, i) => `thing ${i}`).join('\n'));
  await drop('textarea[aria-label="Documents"]', join(out, 'many.txt'));
  await documentsHeld(51);
  await rerank();
  assert.equal((await ranked()).length, 51, 'a file may hold more than what is pasted');
  await drop('textarea[aria-label="Documents"]', join(demo, 'images/hat-043.png'));
  await documentsHeld(52);
  await type('Documents', 'one line');
  await documentsHeld(2);
  assert.equal((await texts('.drop .thumbs .thumb')).length, 1, 'typing leaves the pictures');
});

test('the live page while lists are published', async () => {
  const published = lists.slice(0, 30).map(list => ({...list, request_id: `shop:${list.request_id}`}));
  const file = join(out, 'published.jsonl');
  writeFileSync(file, published.map(list => JSON.stringify(list)).join('\n'));
  const publish = () => new Promise(resolve => spawn(produce[0], [...produce.slice(1), '--input', file], {stdio: 'inherit'}).on('exit', resolve));
  const listeners = await Promise.all(Array.from({length: 16}, () => {
    const stop = new AbortController();
    return fetch(`${url}/api/live`, {signal: stop.signal}).then(() => stop);
  }));
  await open('live');
  await until(() => document.querySelector('.hint[role=status]').textContent.includes('lost'));
  assert.ok(complaints.splice(0).every(one => one.includes('429')), 'one page too many');
  listeners.forEach(stop => stop.abort());
  await until(() => document.querySelector('.hint[role=status]').textContent.startsWith('Listening'));
  const ended = publish();
  await until(() => document.querySelectorAll('.lists td.fine').length >= 10);
  await picture('live', 0, 900);
  assert.equal(await ended, 0);
  await until(count => [...document.querySelectorAll('.figure')].some(figure => figure.textContent === `Complete${count}`), published.length);
  assert.ok((await texts('.figure')).some(figure => /busy[1-9]\d* %/.test(figure)));
  await hit('.lists tbody tr .link');
  await page.waitForSelector('.page.batch .after tbody tr');
  await until(() => document.querySelector('.hint[role=status]')?.textContent.includes('as it passed'));

  await open('live');
  const again = publish();
  await look('live');
  assert.equal(await again, 0);
});
