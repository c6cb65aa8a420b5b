// What a person does in the console, in a real Chromium. ConsoleTest starts all that it needs and runs it.
import assert from 'node:assert/strict';
import {execSync, spawn} from 'node:child_process';
import {mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, afterEach, before, test} from 'node:test';
import axe from 'axe-core';
import puppeteer from 'puppeteer-core';

/** Where the console is, the demo's folder, a folder to write to, and the command that publishes lists. */
const {url, demo, out, produce} = JSON.parse(process.env.LYCHEE_TEST);
const downloads = join(out, 'downloads');
const PATIENCE_MS = 240_000;
const lists = readFileSync(join(demo, 'lists.jsonl'), 'utf8').trim().split('\n').map(line => JSON.parse(line));
const titles = [...new Set(lists.flatMap(list => list.candidates).map(one => one.text).filter(Boolean))];

let browser;
let page;
let client;
const complaints = [];

before(async () => {
  rmSync(out, {recursive: true, force: true});
  mkdirSync(downloads, {recursive: true});
  browser = await puppeteer.launch({
    executablePath: execSync('command -v chromium', {encoding: 'utf8'}).trim(),
    // its sandbox refuses root, which builds in containers often are
    args: [...process.getuid() === 0 ? ['--no-sandbox'] : [], '--lang=en-US', '--disable-dev-shm-usage'],
    defaultViewport: {width: 1280, height: 900},
    protocolTimeout: 3 * PATIENCE_MS,
  });
  await browser.defaultBrowserContext().overridePermissions(url, ['clipboard-read', 'clipboard-write', 'clipboard-sanitized-write']);
  page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on('console', message => ['error', 'warn'].includes(message.type()) && complaints.push(message.text()));
  page.on('pageerror', error => complaints.push(error.stack));
  page.on('requestfailed', request => {
    const left = request.url() === `${url}/api/live` && request.failure()?.errorText === 'net::ERR_ABORTED'; // the page's own doing
    if (!left) complaints.push(`${request.url()}: ${request.failure()?.errorText}`);
  });
  page.on('dialog', dialog => {
    complaints.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  client = await page.createCDPSession();
  await client.send('Browser.setDownloadBehavior', {behavior: 'allow', downloadPath: downloads});
  await page.emulateMediaFeatures([{name: 'prefers-color-scheme', value: 'light'}, {name: 'prefers-reduced-motion', value: 'reduce'}]);
});

after(() => browser?.close());
afterEach(() => assert.deepEqual(complaints.splice(0), [], 'errors in the browser'));

const field = (label, kind = 'textbox') => `aria/${label}[role="${kind}"]`;
/** Presses where a person would: what lies under the bar at the top is scrolled to first. */
async function hit(selector) {
  const node = await page.waitForSelector(selector);
  await node.evaluate(one => one.scrollIntoView({block: 'center'}));
  await page.locator(selector).click();
}

const press = label => hit(field(label, 'button'));
const texts = selector => page.$$eval(selector, nodes => nodes.map(node => node.textContent));
const until = (condition, ...given) => page.waitForFunction(condition, {}, ...given);

async function open(name) {
  await page.goto(`${url}/#${name}`);
  await page.waitForSelector(`.page.${name} h1`);
}

async function type(label, text) {
  await page.locator(field(label)).fill(text);
}

async function paste(label) {
  await page.bringToFront();
  await hit(field(label));
  await page.keyboard.down('Control');
  await page.keyboard.press('KeyV', {commands: ['Paste']});
  await page.keyboard.up('Control');
}

const copyText = text => page.evaluate(copied => navigator.clipboard.writeText(copied), text);

const copyPicture = file => page.evaluate(async base64 => {
  const bytes = Uint8Array.from(atob(base64), c => c.charCodeAt(0));
  await navigator.clipboard.write([new ClipboardItem({'image/png': new Blob([bytes], {type: 'image/png'})})]);
}, readFileSync(file).toString('base64'));

/** Lets files go above an element, as a file manager would. */
async function drop(selector, ...files) {
  const place = await page.waitForSelector(selector);
  await place.scrollIntoView();
  const {x, y} = await place.clickablePoint();
  for (const kind of ['dragEnter', 'dragOver', 'drop']) {
    await client.send('Input.dispatchDragEvent', {type: kind, x, y, data: {items: [], files, dragOperationsMask: 1}});
  }
}

async function upload(position, ...files) {
  const inputs = await page.$$('input[type=file]');
  await inputs[position].uploadFile(...files);
}

async function rerank() {
  await page.$$eval('.after tbody', nodes => nodes.forEach(node => { node.dataset.old = 'yes'; }));
  await press('Rerank');
  await page.waitForSelector('.after tbody:not([data-old]), .problem');
  assert.deepEqual(await texts('.problem'), []);
  await unfold();
}

const unfold = () => page.$$eval('.results .button', buttons => buttons.find(button => button.textContent.startsWith('Show all'))?.click());

const documentsHeld = many => until(n => document.querySelectorAll('.two .field')[1].textContent.includes(` · ${n}`), many);

const ranked = () => page.$$eval('.after tbody tr', rows => rows.map(row => ({
  rank: row.cells[0].textContent, score: Number(row.querySelector('.score b').textContent), text: row.querySelector('.doc').textContent})));

/** The page as it is, in both languages, light and dark, without a serious finding of axe. */
async function look(name) {
  for (const language of ['en', 'zh']) {
    for (const theme of ['light', 'dark']) {
      await until((l, t) => document.documentElement.lang.startsWith(l) && document.documentElement.dataset.theme === t, language, theme);
      await page.mouse.move(0, 0);
      await page.evaluate(() => scrollTo(0, 0));
      await page.screenshot({path: join(out, `${name}-${language}-${theme}.png`), fullPage: true});
      await page.evaluate(axe.source);
      const {violations} = await page.evaluate(() => window.axe.run());
      writeFileSync(join(out, `${name}-${language}-${theme}.axe.json`), JSON.stringify(violations, null, 2));
      assert.deepEqual(violations.filter(one => ['serious', 'critical'].includes(one.impact))
        .map(one => `${one.id}, ${one.nodes.length} times: ${one.nodes[0].html} ${one.nodes[0].failureSummary}`), [], name);
      await hit('.tool[aria-label]'); // light and dark
    }
    await hit('.tool[lang]');
  }
  await until(() => document.documentElement.lang === 'en');
}

/** A part of the page, for the README. */
const picture = (name, y, height) => page.screenshot({
  path: join(out, `console-${name}.webp`), type: 'webp', quality: 85, clip: {x: 0, y, width: 1280, height}});

const exported = async name => {
  const file = join(downloads, name);
  for (const end = Date.now() + PATIENCE_MS; !readdirSync(downloads).includes(name);) {
    assert.ok(Date.now() < end, `${name} was not downloaded`);
    await until(() => new Promise(resolve => setTimeout(() => resolve(true), 100)));
  }
  return readFileSync(file, 'utf8');
};

test('a page of its own says that the network is loaded', async () => {
  await open('batch');
  await page.waitForSelector('.health.fine');
  assert.ok((await texts('.scenes .hint'))[0].includes('demo network'));
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'skip', 'the keyboard begins with the way to the content');
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
  await until(() => document.querySelector('.page').textContent.includes('lists in lists.jsonl'));
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
  assert.deepEqual((await texts('.after th')).filter(head => /^(First|Second)/.test(head)).map(head => head.replace(/ [↑↓]$/, '')),
    ['First: moved', 'First: score', 'Second: score', 'Second: moved', 'First: band', 'Second: band']);
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
  await until(count => [...document.querySelectorAll('.figure')].some(figure => figure.textContent.includes(`COMPLETE ${count}`)), published.length);
  assert.ok((await texts('.figure')).some(figure => /busy[1-9]\d* %/.test(figure)));
  await hit('.lists tbody tr .link');
  await page.waitForSelector('.page.batch .after tbody tr');
  await until(() => document.querySelector('.hint[role=status]')?.textContent.includes('as it passed'));

  await open('live');
  const again = publish();
  await look('live');
  assert.equal(await again, 0);
});

test('on a telephone', async () => {
  await page.setViewport({width: 390, height: 844, isMobile: true, hasTouch: true});
  await open('batch');
  await hit('.scenes summary');
  await page.waitForSelector('.scene');
  await hit('.scene');
  await page.waitForSelector('.after tbody tr');
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing sticks out');
  await look('telephone');
});
