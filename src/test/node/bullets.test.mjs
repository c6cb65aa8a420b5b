// What the console promises, each at the width of a desk and of a telephone, in both languages. ConsoleTest runs it.
import assert from 'node:assert/strict';
import {execFileSync, spawn} from 'node:child_process';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, afterEach, describe, test} from 'node:test';
import {given, HAN, lists, NAMES, start} from './browser.mjs';

/** produce, evaluate: commands */
const {url, demo, out, produce, evaluate} = given;
const jsonl = (name, ...values) => {
  const file = join(out, name);
  writeFileSync(file, values.map(value => `${typeof value === 'string' ? value : JSON.stringify(value)}\n`).join(''));
  return file;
};
const file = name => join(demo, 'images', name);
const hats = ['hat-032.jpg', 'hat-043.png'];
const whole = list => list.query.text && list.candidates.length > 25 && list.candidates.every(one => one.images.length);
const odd = {request_id: 'odd:1', query: {text: 'a hat'}, candidates: [
  {id: 'odd-0', images: [`file:images/${hats[0]}`]}, {id: 'odd-1', images: ['file:images/none.jpg']}, {id: 'odd-2', images: ['file:/etc/passwd']},
  {id: 'odd-3', images: ['https://elsewhere.example/a.png']}, {id: 'odd-4', images: ['data:image/png;base64,iVBORw0KGgo=']}, {id: 'odd-5', text: ' '}]};

for (const width of [1280, 390]) {
  for (const language of ['en', 'zh']) {
    describe(`${width} px, ${language}`, async () => {
      const {page, complaints, close, copyText, exported, hit, look, open, paste, press, ranked, rerank, texts, type, unfold, until, upload,
        pure, word} = await start({width, language});
      after(close);
      afterEach(() => assert.deepEqual(complaints.splice(0), [], 'errors in the browser'));

      const label = async (...keys) => (await Promise.all(keys.map(key => word(key)))).join(': ');
      const documents = '.drop textarea[rows="7"]';
      const inView = selector => page.$eval(selector, node => {
        const {top, bottom} = node.getBoundingClientRect();
        return top < innerHeight - 40 && bottom > 40;
      });
      const ctrlEnter = async () => {
        await page.keyboard.down('Control');
        await page.keyboard.press('Enter');
        await page.keyboard.up('Control');
      };
      const good = async place => {
        await pure(place);
        await look(place);
      };

      test('results come into view, keep the focus, and are marked once they are old', async () => {
        await open('batch');
        await type(await label('query', 'text'), 'red dress');
        await copyText(['red dress', 'blue mug', 'green hat'].join('\n'));
        await paste(await word('documents'));
        await ctrlEnter();
        await page.waitForSelector('.after tbody tr');
        await until(() => document.querySelector('.after').getBoundingClientRect().top < innerHeight - 40);
        assert.equal(await page.evaluate(() => document.activeElement.rows), 7, 'the focus stays in the documents');
        assert.equal((await ranked()).length, 3);
        assert.ok(!await page.$('.results.stale'));
        await page.keyboard.type(' too');
        await page.waitForSelector('.results.stale .stale-note');
        assert.ok(await inView('.stale-note'));
        await look('stale');
        await rerank();
        assert.ok(!await page.$('.results.stale'));
      });

      test('a file of lists is reranked whole', async () => {
        await open('batch');
        const some = lists.slice(0, 8);
        await upload(1, jsonl(`lists-${width}-${language}.jsonl`, ...some.slice(0, 3), 'no list', ...some.slice(3)));
        const note = await word('leftLines', {lines: '4'});
        await until(text => document.querySelector('.card > .hint[role=status]').textContent.includes(text), note);
        await press(await word('rerankAll', {count: 8}));
        await page.waitForSelector('table.all');
        assert.equal((await texts('.many [role=status]'))[0], await word('doneAll', {count: 8, failed: 0}));
        const [before, now] = (await texts('table.all .mean td')).map(Number);
        assert.ok(now > before && now <= 1, `${before}, then ${now}`);
        await good('many');
        await press(await word('downloadAll'));
        const answers = (await exported('reranked.jsonl')).trim().split('\n').map(line => JSON.parse(line));
        assert.deepEqual(answers.map(answer => answer.request_id), some.map(list => list.request_id));
        await press(await word('removeAll'));
        await upload(1, jsonl('over.txt', Array.from({length: 1001}, (_, i) => `thing ${i}`).join('\n')));
        await until(() => document.querySelectorAll('.two .field')[1].textContent.includes(' · 1001'));
        await type(await label('query', 'text'), 'thing 7');
        await press(await word('rerank'));
        await until(text => document.querySelector('.problem')?.textContent.includes(text), await word('tooMany', {count: 1001, max: 1000}));
      });

      test('why: what matters comes first, and is coloured and found in the picture', async () => {
        await open('single');
        const toy = (await texts('.page > .hint'))[0];
        assert.ok(toy.includes('./lychee models') && toy.includes('./lychee pull'), toy);
        await type(await label('query', 'text'), 'pink hat');
        await type(await label('document', 'text'), 'A hat, pink, for the beach');
        await upload(1, file(hats[0]));
        await page.waitForSelector('.held img');
        await press(await word('why'));
        await page.waitForSelector('.why + .scroll tbody tr');
        const rows = await page.$$eval('.why + .scroll tbody tr', all => all.map(row => [...row.cells].map(cell => cell.textContent)));
        const effects = rows.map(row => Math.abs(Number(row[2].replace('−', '-'))));
        assert.deepEqual(effects, [...effects].sort((a, b) => b - a));
        assert.equal((await page.$$('.grid .for, .grid .against, .part.for, .part.against')).length, effects.filter(one => one > 0).length);
        assert.ok(rows.every(row => /^([×÷] [\d,.]+( |$)|[×÷] \D)/.test(row[3]) && !/NaN|e[+-]/.test(row.join())), JSON.stringify(rows));
        const region = `${await word('region')} 1·1`;
        const row = await page.evaluateHandle(name => [...document.querySelectorAll('.why + .scroll tbody tr')].find(one => one.cells[0].textContent === name), region);
        await row.hover();
        assert.ok(await page.$eval('.grid span', cell => cell.classList.contains('pointed')));
        await good('why');
      });

      test('long results fold; pictures are whole, open, and can be taken away', async () => {
        await open('batch');
        const list = lists.find(whole);
        const many = list.candidates.length;
        await upload(1, jsonl('pictures.jsonl', list));
        await until(() => document.querySelectorAll('.drop .held').length === 24);
        await hit('.drop .thumbs > .tiny');
        await until(count => document.querySelectorAll('.drop .held').length === count, many);
        await until(() => [...document.querySelectorAll('.held img')].slice(0, 8).every(img => img.naturalWidth > 0));
        assert.ok(await page.$$eval('.thumb img', all => all.every(img => getComputedStyle(img).objectFit === 'contain')), 'nothing is cut off');
        await hit('.drop .held .x');
        await until(count => document.querySelectorAll('.drop .held').length === count, many - 1);
        assert.ok(await page.$eval(documents, (area, text) => area.value.split('\n').length === text && area.readOnly, many - 1));
        assert.ok((await texts('.two .field .label'))[1].endsWith(` · ${many - 1}`));
        await press(await word('rerank'));
        await page.waitForSelector('.after tbody tr');
        assert.equal((await ranked()).length, 20);
        await hit('.after .zoom');
        await page.waitForSelector('dialog[open] img');
        assert.ok(await page.$eval('dialog', node => node.getBoundingClientRect().right <= innerWidth));
        await look('large');
        await page.keyboard.press('Escape');
        await until(() => !document.querySelector('dialog'));
        await good('folded');
        await unfold();
        assert.equal((await ranked()).length, many - 1);
        await press('CSV');
        const csv = await exported('reranked.csv');
        assert.ok(csv.startsWith('\ufeff"id",') && list.candidates.slice(1).every(one => csv.includes(`"${one.id}"`)));
        assert.match(csv, /"0\.\d{6,}"/, 'scores are whole');
      });

      test('two instructions stand side by side', async () => {
        await open('batch');
        await upload(1, jsonl('compared.jsonl', lists[0]));
        await hit('.check input');
        await page.waitForSelector('.check input:checked');
        await rerank();
        const heads = await Promise.all(['firstMoved', 'firstScore', 'secondScore', 'secondMoved'].map(key => word(key)));
        assert.deepEqual((await texts('.after th')).map(head => head.replace(/ [↑↓]$/, '')).filter(head => heads.includes(head)), heads);
        const shown = await page.$$eval('.after tbody tr', all => all.map(row => ['.move', '.score b', '.chip'].map(name =>
          [...row.querySelectorAll(name)].filter(node => node.checkVisibility()).length)));
        assert.ok(shown.every(row => row.join() === '2,2,2'), 'movement, score and band of both');
        await good('compared');
      });

      test('pictures of files show; of others it is said why not', async () => {
        await open('batch');
        await upload(1, jsonl('odd.jsonl', odd));
        await until(() => document.querySelectorAll('.drop .broken').length === 4 && document.querySelector('.drop .thumb img')?.naturalWidth > 0);
        complaints.splice(0); // the browser logs what it could not load
        const why = await page.$$eval('.drop .broken', all => all.map(one => one.title));
        const reasons = ['IMAGE_NOT_FOUND', 'IMAGE_FORBIDDEN', 'elsewhere', 'IMAGE_UNREADABLE'];
        assert.deepEqual(why, await Promise.all(reasons.map(key => word(key))));
        for (const [i, says] of ['the image file:images/none.jpg does not exist', 'image.roots', 'https://elsewhere.example/a.png', ''].entries()) {
          await hit(`.drop .held:nth-child(${i + 2}) .zoom`);
          const told = await page.waitForSelector('dialog[open] p').then(node => node.evaluate(one => one.textContent));
          assert.ok(told.startsWith(why[i]) && told.includes(says), told);
          await page.keyboard.press('Escape');
          await until(() => !document.querySelector('dialog'));
        }
        await rerank();
        await until(() => document.querySelectorAll('.broken').length === 12);
        complaints.splice(0);
        assert.equal((await texts('.after .note')).filter(text => text).length, 5, 'each that has no score says why');
        await good('odd');
        complaints.splice(0);
      });

      test('live rows have ids and pictures, cards are alike, and an idle minute is said in words', async () => {
        await open('live');
        await until(text => document.querySelector('[role=status].hint')?.textContent === text, await word('waitingLive'));
        assert.ok((await page.$$eval('.hint', all => all.filter(one => one.checkVisibility()).map(one => one.textContent))).includes(await word('idle')));
        const mine = [lists.find(list => list.query.text), lists.find(list => list.query.images.length && !list.query.text)]
          .map((list, i) => ({...list, request_id: `live:${width}-${language}-${i}`}));
        const sent = spawn(produce[0], [...produce.slice(1), '--input', jsonl('live.jsonl', ...mine)], {stdio: 'inherit'});
        await new Promise(resolve => sent.on('exit', resolve));
        for (const {request_id: id} of mine) {
          await until((sought, done) => [...document.querySelectorAll('.lists tr')].some(row => row.textContent.includes(sought) && row.textContent.includes(done)),
            id, await word('COMPLETE'));
        }
        const pictured = `live:${width}-${language}-1`;
        await until(id => [...document.querySelectorAll('.lists tr')].find(row => row.textContent.includes(id))?.querySelector('.thumb img')?.naturalWidth > 0, pictured);
        const sizes = await page.$$eval('.figure b', all => all.map(one => getComputedStyle(one).fontSize));
        assert.ok(sizes.length >= 8 && new Set(sizes).size === 1, 'the cards are alike');
        await pure('live');
        await look('live');
        await page.evaluate(id => [...document.querySelectorAll('.lists tr')].find(row => row.textContent.includes(id)).querySelector('.link').click(), pictured);
        await until(text => document.querySelector('.page.batch .hint[role=status]')?.textContent === text, await word('opened', {id: pictured}));
      });

      test('scenes take a line until they are opened', async () => {
        await open('batch');
        assert.ok(await page.$eval('.scenes', node => node.offsetHeight < 90 && !node.open));
        await hit('.scenes summary');
        assert.ok((await texts('.scenes .hint'))[0].includes('./lychee pull'));
        const queries = (await texts('.scene span')).filter(text => text);
        assert.ok(queries.length >= 5 && queries.every(text => HAN.test(text) === (language === 'zh')), `scenes in the page's language: ${queries}`);
        assert.equal((await texts('.group .minor')).length, 3, 'of the groups that have some');
        await good('scenes');
        await hit('.scene');
        await page.waitForSelector('.after tbody tr');
        await good('scene');
      });

      test('what goes wrong is said in the language of the page', async () => {
        await open('single');
        await page.reload();
        await page.waitForSelector('.page.single');
        await press(await word('score'));
        await until(text => document.querySelector('.problem')?.textContent.includes(text), await word('needBoth'));
        await upload(0, join(demo, 'README.md'));
        await until(text => document.querySelector('.trouble').textContent === text, await word('refusedFile', {name: 'README.md'}));
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
          const told = await Promise.all(lists.slice(0, 12).map(list => fetch(`${url}/api/lists`,
            {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(list)}).then(response => response.text())));
          writeFileSync(answers, told.join('\n'));
          execFileSync(evaluate[0], [...evaluate.slice(1), '--lists', answers, '--input', join(demo, 'lists.jsonl'), '--report', join(out, 'report.html')]);
        }
        await page.goto(`file://${join(out, 'report.html')}`);
        const charts = await page.$$eval('svg', all => all.map(svg => ({...svg.getBoundingClientRect().toJSON(), scale: svg.getBoundingClientRect().width / svg.viewBox.baseVal.width,
          smallest: Math.min(...[...svg.querySelectorAll('text')].map(text => parseFloat(getComputedStyle(text).fontSize)))})));
        assert.ok(charts.length >= 4 && charts.every(chart => chart.left >= 0 && chart.right <= width && chart.smallest * chart.scale >= 9.5), JSON.stringify(charts));
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
        await page.screenshot({path: join(out, `report-${width}.png`), fullPage: true});
      });
    });
  }
}

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
  const sources = await Promise.all(['app', 'batch', 'content', 'live', 'many', 'parts', 'single'].map(name => fetch(`${url}/${name}.js`).then(source => source.text())));
  const asked = new Set([...sources.join().matchAll(/say\('(\w+)'/g)].map(match => match[1]));
  assert.ok(asked.size > 60);
  assert.deepEqual([...asked].filter(key => !(key in words)), [], 'sentences that are missing');
});
