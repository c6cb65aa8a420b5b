// What the other pages and the report promise, at both widths and in both languages. ConsoleTest runs it.
import assert from 'node:assert/strict';
import {execFileSync, spawn} from 'node:child_process';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {everywhere, given, HAN, jsonl, lists, NAMES, start} from './browser.mjs';

/** produce, evaluate: commands */
const {url, demo, out, produce, evaluate} = given;

everywhere(
  ({page, complaints, good, label, language, look, open, press, pure, texts, type, until, upload, width, word}) => {
    test('why: what matters comes first, and is coloured and found in the picture', async () => {
      await open('single');
      const toy = (await texts('.page > .hint'))[0];
      assert.ok(toy.includes('./lychee models') && toy.includes('./lychee pull'), toy);
      await type(await label('query', 'text'), 'pink hat');
      await type(await label('document', 'text'), 'A hat, pink, for the beach');
      await upload(1, join(demo, 'images/hat-032.jpg'));
      await page.waitForSelector('.held img');
      await press(await word('why'));
      await page.waitForSelector('.why + .scroll tbody tr');
      const rows = await page.$$eval('.why + .scroll tbody tr', all =>
        all.map(row => [...row.cells].map(cell => cell.textContent)),
      );
      const effects = rows.map(row => Math.abs(Number(row[2].replace('−', '-'))));
      assert.deepEqual(
        effects,
        [...effects].sort((a, b) => b - a),
      );
      assert.equal(
        (await page.$$('.grid .for, .grid .against, .part.for, .part.against')).length,
        effects.filter(one => one > 0).length,
      );
      assert.ok(
        rows.every(row => /^([×÷] [\d,.]+( |$)|[×÷] \D)/.test(row[3]) && !/NaN|e[+-]/.test(row.join())),
        JSON.stringify(rows),
      );
      const region = `${await word('region')} 1·1`;
      const row = await page.evaluateHandle(
        name =>
          [...document.querySelectorAll('.why + .scroll tbody tr')].find(one => one.cells[0].textContent === name),
        region,
      );
      await row.hover();
      assert.ok(await page.$eval('.grid span', cell => cell.classList.contains('pointed')));
      await good('why');
    });

    test('live rows have ids and pictures, cards are alike, and an idle minute is said in words', async () => {
      await open('live');
      await until(
        text => document.querySelector('[role=status].hint')?.textContent === text,
        await word('waitingLive'),
      );
      assert.ok(
        (
          await page.$$eval('.hint', all => all.filter(one => one.checkVisibility()).map(one => one.textContent))
        ).includes(await word('idle')),
      );
      const mine = [
        lists.find(list => list.query.text),
        lists.find(list => list.query.images.length && !list.query.text),
      ].map((list, i) => ({...list, request_id: `live:${width}-${language}-${i}`}));
      const sent = spawn(produce[0], [...produce.slice(1), '--input', jsonl('live.jsonl', ...mine)], {
        stdio: 'inherit',
      });
      await new Promise(resolve => sent.on('exit', resolve));
      for (const {request_id: id} of mine) {
        await until(
          (sought, done) =>
            [...document.querySelectorAll('.lists tr')].some(
              row => row.textContent.includes(sought) && row.textContent.includes(done),
            ),
          id,
          await word('COMPLETE'),
        );
      }
      const pictured = `live:${width}-${language}-1`;
      await until(
        id =>
          [...document.querySelectorAll('.lists tr')]
            .find(row => row.textContent.includes(id))
            ?.querySelector('.thumb img')?.naturalWidth > 0,
        pictured,
      );
      const sizes = await page.$$eval('.figure b', all => all.map(one => getComputedStyle(one).fontSize));
      assert.ok(sizes.length >= 8 && new Set(sizes).size === 1, 'the cards are alike');
      await pure('live');
      await look('live');
      await page.evaluate(
        id =>
          [...document.querySelectorAll('.lists tr')]
            .find(row => row.textContent.includes(id))
            .querySelector('.link')
            .click(),
        pictured,
      );
      await until(
        text => document.querySelector('.page.batch .hint[role=status]')?.textContent === text,
        await word('opened', {id: pictured}),
      );
    });

    test('what goes wrong is said in the language of the page', async () => {
      await open('single');
      await page.reload();
      await page.waitForSelector('.page.single');
      await press(await word('score'));
      await until(text => document.querySelector('.problem')?.textContent.includes(text), await word('needBoth'));
      await upload(0, join(demo, 'README.md'));
      await until(
        text => document.querySelector('.trouble').textContent === text,
        await word('refusedFile', {name: 'README.md'}),
      );
      await type(await label('query', 'text'), 'x');
      await type(await label('document', 'text'), 'y');
      await page.setOfflineMode(true);
      await press(await word('score'));
      await until(text => document.querySelector('.problem')?.textContent.includes(text), await word('gone'));
      await page.setOfflineMode(false);
      complaints.splice(0);
      await pure('wrong');
    });

    test('the report fits', async () => {
      const answers = join(out, 'answers.jsonl');
      if (width === 1280) {
        const told = await Promise.all(
          lists
            .slice(0, 12)
            .map(list =>
              fetch(`${url}/api/lists`, {
                method: 'POST',
                headers: {'Content-Type': 'application/json'},
                body: JSON.stringify(list),
              }).then(response => response.text()),
            ),
        );
        writeFileSync(answers, told.join('\n'));
        execFileSync(evaluate[0], [
          ...evaluate.slice(1),
          '--lists',
          answers,
          '--input',
          join(demo, 'lists.jsonl'),
          '--report',
          join(out, 'report.html'),
        ]);
      }
      await page.goto(`file://${join(out, 'report.html')}`);
      const charts = await page.$$eval('svg', all =>
        all.map(svg => ({
          ...svg.getBoundingClientRect().toJSON(),
          scale: svg.getBoundingClientRect().width / svg.viewBox.baseVal.width,
          smallest: Math.min(
            ...[...svg.querySelectorAll('text')].map(text => parseFloat(getComputedStyle(text).fontSize)),
          ),
        })),
      );
      assert.ok(
        charts.length >= 4 &&
          charts.every(chart => chart.left >= 0 && chart.right <= width && chart.smallest * chart.scale >= 9.5),
        JSON.stringify(charts),
      );
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
      await page.screenshot({path: join(out, `report-${width}.png`), fullPage: true});
    });
  },
);

test('every sentence is there in both languages', async () => {
  const {page, open, close} = await start();
  after(close);
  await open('batch');
  const words = await page.evaluate(() => import('/words.js').then(all => all.words));
  const own = text => text.replace(NAMES, ' ').replace(/\{\w+\}|\bLines\b/g, ' ');
  assert.ok(Object.keys(words).length > 100);
  for (const [key, [english, chinese]] of Object.entries(words)) {
    assert.ok(!HAN.test(own(english)), `${key}: ${english}`);
    assert.ok(!/[A-Za-z]{2,}/.test(own(chinese)), `${key}: ${chinese}`);
  }
  const sources = await Promise.all(
    ['app', 'batch', 'content', 'live', 'many', 'parts', 'single'].map(name =>
      fetch(`${url}/${name}.js`).then(source => source.text()),
    ),
  );
  const asked = new Set([...sources.join().matchAll(/say\('(\w+)'/g)].map(match => match[1]));
  assert.ok(asked.size > 60);
  assert.deepEqual(
    [...asked].filter(key => !(key in words)),
    [],
    'sentences that are missing',
  );
});
