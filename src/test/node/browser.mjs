// A real Chromium, and what a person does in it. The tests' words are the console's own, by their keys in words.js.
import assert from 'node:assert/strict';
import {execSync} from 'node:child_process';
import {mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, afterEach, describe} from 'node:test';
import axe from 'axe-core';
import puppeteer from 'puppeteer-core';

/** url: where the console is; demo: the demo's folder; out: a folder to write to */
export const given = JSON.parse(process.env.LYCHEE_TEST);
const PATIENCE_MS = 240_000;
export const lists = readFileSync(join(given.demo, 'lists.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map(line => JSON.parse(line));

/** What stands on pages beside the console's own words: names, forms, units, and the ids and files of these tests. */
const NAMED = /JSON Lines|JSON|CSV|Markdown|API|JPEG|PNG|WebP|GIF|nDCG|\bms\b|lychee-rerank|checkpoint|English|中文/;
const SPOKEN = /\.\/lychee \w+|(gw|console|live|odd)[:-][\w-]+|[\w./-]+\.(jsonl|txt|png|jpg|md)/;
export const NAMES = new RegExp(`${NAMED.source}|${SPOKEN.source}`, 'g');
export const HAN = /\p{Script=Han}/u;
const typed = ['A hat', 'pink', 'for the beach', 'a hat', 'red dress', 'blue mug', 'green hat too'];
const data = [
  ...new Set(
    lists.flatMap(list => [
      list.request_id,
      list.query.text,
      ...list.candidates.flatMap(one => [one.id, one.text, one.attributes?.title]),
    ]),
  ),
  ...typed,
]
  .filter(text => text?.trim())
  .sort((a, b) => b.length - a.length);

/** Writes a file of lines, and names it. */
export function jsonl(name, ...values) {
  const file = join(given.out, name);
  writeFileSync(file, values.map(value => `${typeof value === 'string' ? value : JSON.stringify(value)}\n`).join(''));
  return file;
}

/** Starts a browser with a page in the language. Complaints: what the page logs and throws, which tests look at. */
export async function start({url = given.url, width = 1280, language = 'en'} = {}) {
  const downloads = join(given.out, `downloads-${width}-${language}`);
  rmSync(downloads, {recursive: true, force: true});
  mkdirSync(downloads, {recursive: true});
  const complaints = [];
  const browser = await puppeteer.launch({
    executablePath: execSync('command -v chromium', {encoding: 'utf8'}).trim(),
    // its sandbox refuses root, which builds in containers often are
    args: [...(process.getuid() === 0 ? ['--no-sandbox'] : []), '--lang=en-US', '--disable-dev-shm-usage'],
    defaultViewport: {width, height: 900, isMobile: width < 600, hasTouch: width < 600},
    protocolTimeout: 3 * PATIENCE_MS,
  });
  await browser
    .defaultBrowserContext()
    .overridePermissions(url, ['clipboard-read', 'clipboard-write', 'clipboard-sanitized-write']);
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on('console', message => ['error', 'warn'].includes(message.type()) && complaints.push(message.text()));
  page.on('pageerror', error => complaints.push(error.stack));
  page.on('requestfailed', request => {
    // leaving a page ends its event stream
    const left = request.url() === `${url}/api/live` && request.failure()?.errorText === 'net::ERR_ABORTED';
    if (!left) complaints.push(`${request.url()}: ${request.failure()?.errorText}`);
  });
  page.on('dialog', dialog => {
    complaints.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  const client = await page.createCDPSession();
  await client.send('Browser.setDownloadBehavior', {behavior: 'allow', downloadPath: downloads});
  await page.emulateMediaFeatures([
    {name: 'prefers-color-scheme', value: 'light'},
    {name: 'prefers-reduced-motion', value: 'reduce'},
  ]);
  await page.evaluateOnNewDocument(
    said => localStorage.getItem('language') ?? localStorage.setItem('language', said),
    language,
  );

  const field = (label, kind = 'textbox') => `aria/${label}[role="${kind}"]`;
  const until = (condition, ...values) => page.waitForFunction(condition, {}, ...values);
  /** Presses where a person would: what lies under the bar at the top is scrolled to first. */
  const hit = async selector => {
    const node = await page.waitForSelector(selector);
    await node.evaluate(one => one.scrollIntoView({block: 'center'}));
    await page.locator(selector).click();
  };
  const press = label => hit(field(label, 'button'));
  const type = (label, text) => page.locator(field(label)).fill(text);
  const texts = selector => page.$$eval(selector, nodes => nodes.map(node => node.textContent));
  const unfold = () => page.$$eval('.results .card > .tiny', buttons => buttons.forEach(button => button.click()));
  return {
    page,
    complaints,
    field,
    until,
    hit,
    press,
    type,
    texts,
    unfold,
    close: () => browser.close(),

    /** A sentence of the console in the page's language. */
    word: (key, values) => page.evaluate((k, v) => import('/words.js').then(words => words.say(k, v)), key, values),

    async open(name) {
      await page.goto(`${url}/#${name}`);
      await page.waitForSelector(`.page.${name} h1`);
    },

    async paste(label) {
      await page.bringToFront();
      await hit(field(label));
      await page.keyboard.down('Control');
      await page.keyboard.press('KeyV', {commands: ['Paste']});
      await page.keyboard.up('Control');
    },

    copyText: text => page.evaluate(copied => navigator.clipboard.writeText(copied), text),

    copyPicture: file =>
      page.evaluate(async base64 => {
        const bytes = Uint8Array.from(atob(base64), c => c.charCodeAt(0));
        await navigator.clipboard.write([new ClipboardItem({'image/png': new Blob([bytes], {type: 'image/png'})})]);
      }, readFileSync(file).toString('base64')),

    /** Lets files go above an element, as a file manager would. */
    async drop(selector, ...files) {
      const place = await page.waitForSelector(selector);
      await place.scrollIntoView();
      const {x, y} = await place.clickablePoint();
      for (const kind of ['dragEnter', 'dragOver', 'drop']) {
        await client.send('Input.dispatchDragEvent', {
          type: kind,
          x,
          y,
          data: {items: [], files, dragOperationsMask: 1},
        });
      }
    },

    async upload(position, ...files) {
      const inputs = await page.$$('input[type=file]');
      await inputs[position].uploadFile(...files);
    },

    /** Presses the first button of the form, and waits for the rows that are new. */
    async rerank() {
      await page.$$eval('.after tbody', nodes =>
        nodes.forEach(node => {
          node.dataset.old = 'yes';
        }),
      );
      await hit('.actions .button');
      await page.waitForSelector('.after tbody:not([data-old]), .problem');
      assert.deepEqual(await texts('.problem'), []);
      await unfold();
    },

    /** What stands in each row, a note under its text left out. */
    ranked: () =>
      page.$$eval('.after tbody tr', rows =>
        rows.map(row => {
          const text = row.querySelector('.doc').textContent;
          const note = row.querySelector('.note')?.textContent ?? '';
          return {
            rank: row.cells[0].textContent,
            score: Number(row.querySelector('.score b').textContent),
            text: text.slice(0, text.length - note.length),
          };
        }),
      ),

    /** The page as it is, light and dark: nothing sticks out, and axe finds nothing. */
    async look(name) {
      const before = await page.evaluate(() => document.documentElement.lang.slice(0, 2));
      for (const theme of ['light', 'dark']) {
        await until(t => document.documentElement.dataset.theme === t, theme);
        await page.mouse.move(0, 0);
        await page.evaluate(() => scrollTo(0, 0));
        const file = join(given.out, `${name}-${width}-${before}-${theme}`);
        await page.screenshot({path: `${file}.png`, fullPage: true});
        assert.ok(
          await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
          `${name}: nothing sticks out`,
        );
        await page.evaluate(axe.source);
        const {violations} = await page.evaluate(() => window.axe.run());
        writeFileSync(`${file}.axe.json`, JSON.stringify(violations, null, 2));
        assert.deepEqual(
          violations.map(
            one => `${one.id}, ${one.nodes.length} times: ${one.nodes[0].html} ${one.nodes[0].failureSummary}`,
          ),
          [],
          name,
        );
        await page.evaluate(
          t => {
            // as the button of the theme does, which a page that asks for a key has not
            document.documentElement.dataset.theme = t;
          },
          theme === 'light' ? 'dark' : 'light',
        );
      }
    },

    /** Every text that a person sees or hears is of the page's language, or data, or marked as of another. */
    async pure(place) {
      const said = await page.evaluate(() => {
        const own = node => node.closest('[lang]') === document.documentElement && node.checkVisibility();
        const found = [document.title];
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        for (let node = walker.nextNode(); node; node = walker.nextNode())
          if (own(node.parentElement)) found.push(node.data);
        for (const node of document.body.querySelectorAll('*')) {
          if (own(node))
            found.push(
              ...['aria-label', 'title', 'placeholder', 'alt']
                .map(name => node.getAttribute(name))
                .filter(text => text),
            );
        }
        return [...new Set(found)].filter(text => text.trim());
      });
      assert.ok(said.length > 4, place);
      const foreign = said
        .map(text =>
          data.reduce((rest, one) => (rest.includes(one) ? rest.replaceAll(one, ' ') : rest), text.replace(NAMES, ' ')),
        )
        .filter(text => (language === 'zh' ? /[A-Za-z]{2,}/.test(text) : HAN.test(text)));
      assert.deepEqual(foreign, [], place);
    },

    /** What was downloaded under this name, once; a later one of the name is another. */
    async exported(name) {
      for (const end = Date.now() + PATIENCE_MS; !readdirSync(downloads).includes(name);) {
        assert.ok(Date.now() < end, `${name} was not downloaded`);
        await until(() => new Promise(resolve => setTimeout(() => resolve(true), 100)));
      }
      return readFileSync(join(downloads, name), 'utf8');
    },
  };
}

/** Runs tests in a browser of their own at the width of a desk and of a telephone, in each language. */
export function everywhere(tests) {
  for (const width of [1280, 390]) {
    for (const language of ['en', 'zh']) {
      describe(`${width} px, ${language}`, async () => {
        const session = await start({width, language});
        const {page, word} = session;
        after(session.close);
        afterEach(() => assert.deepEqual(session.complaints.splice(0), [], 'errors in the browser'));
        tests({
          ...session,
          width,
          language,
          label: async (...keys) => (await Promise.all(keys.map(key => word(key)))).join(': '),
          ctrlEnter: async () => {
            await page.keyboard.down('Control');
            await page.keyboard.press('Enter');
            await page.keyboard.up('Control');
          },
          good: async place => {
            await session.pure(place);
            await session.look(place);
          },
        });
      });
    }
  }
}
