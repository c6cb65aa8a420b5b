// What the batch page promises, at the width of a desk and of a telephone, in both languages. ConsoleTest runs it.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {everywhere, HAN, jsonl, lists} from './browser.mjs';

const whole = list => list.query.text && list.candidates.length > 25 && list.candidates.every(one => one.images.length);
const odd = {
  request_id: 'odd:1',
  query: {text: 'a hat'},
  candidates: [
    {id: 'odd-0', images: ['file:images/hat-032.jpg']},
    {id: 'odd-1', images: ['file:images/none.jpg']},
    {id: 'odd-2', images: ['file:/etc/passwd']},
    {id: 'odd-3', images: ['https://elsewhere.example/a.png']},
    {id: 'odd-4', images: ['data:image/png;base64,iVBORw0KGgo=']},
    {id: 'odd-5', text: ' '},
  ],
};

everywhere(
  ({
    page,
    complaints,
    copyText,
    ctrlEnter,
    exported,
    good,
    hit,
    label,
    language,
    look,
    open,
    paste,
    press,
    ranked,
    rerank,
    texts,
    type,
    unfold,
    until,
    upload,
    width,
    word,
  }) => {
    const documents = '.drop textarea[rows="7"]';

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
      assert.ok(!(await page.$('.results.stale')));
      await page.keyboard.type(' too');
      await page.waitForSelector('.results.stale .stale-note');
      assert.ok(await page.$eval('.stale-note', note => note.getBoundingClientRect().top < innerHeight - 40));
      await look('stale');
      await rerank();
      assert.ok(!(await page.$('.results.stale')));
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
      const answers = (await exported('reranked.jsonl'))
        .trim()
        .split('\n')
        .map(line => JSON.parse(line));
      assert.deepEqual(
        answers.map(answer => answer.request_id),
        some.map(list => list.request_id),
      );
      await press(await word('removeAll'));
      await upload(1, jsonl('over.txt', Array.from({length: 1001}, (_, i) => `thing ${i}`).join('\n')));
      await until(() => document.querySelectorAll('.two .field')[1].textContent.includes(' · 1001'));
      await type(await label('query', 'text'), 'thing 7');
      await press(await word('rerank'));
      await until(
        text => document.querySelector('.problem')?.textContent.includes(text),
        await word('tooMany', {count: 1001, max: 1000}),
      );
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
      assert.ok(
        await page.$$eval('.thumb img', all => all.every(img => getComputedStyle(img).objectFit === 'contain')),
        'nothing is cut off',
      );
      await hit('.drop .held .x');
      await until(count => document.querySelectorAll('.drop .held').length === count, many - 1);
      assert.ok(
        await page.$eval(documents, (area, text) => area.value.split('\n').length === text && area.readOnly, many - 1),
      );
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
      assert.deepEqual(
        (await texts('.after th')).map(head => head.replace(/ [↑↓]$/, '')).filter(head => heads.includes(head)),
        heads,
      );
      const shown = await page.$$eval('.after tbody tr', all =>
        all.map(row =>
          ['.move', '.score b', '.chip'].map(
            name => [...row.querySelectorAll(name)].filter(node => node.checkVisibility()).length,
          ),
        ),
      );
      assert.ok(
        shown.every(row => row.join() === '2,2,2'),
        'movement, score and band of both',
      );
      await good('compared');
    });

    test('pictures of files show; of others it is said why not', async () => {
      await open('batch');
      await upload(1, jsonl('odd.jsonl', odd));
      await until(
        () =>
          document.querySelectorAll('.drop .broken').length === 4 &&
          document.querySelector('.drop .thumb img')?.naturalWidth > 0,
      );
      complaints.splice(0); // the browser logs what it could not load
      const why = await page.$$eval('.drop .broken', all => all.map(one => one.title));
      const reasons = ['IMAGE_NOT_FOUND', 'IMAGE_FORBIDDEN', 'elsewhere', 'IMAGE_UNREADABLE'];
      assert.deepEqual(why, await Promise.all(reasons.map(key => word(key))));
      for (const [i, says] of [
        'the image file:images/none.jpg does not exist',
        'image.roots',
        'https://elsewhere.example/a.png',
        '',
      ].entries()) {
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

    test('scenes take a line until they are opened', async () => {
      await open('batch');
      assert.ok(await page.$eval('.scenes', node => node.offsetHeight < 90 && !node.open));
      await hit('.scenes summary');
      assert.ok((await texts('.scenes .hint'))[0].includes('./lychee pull'));
      const queries = (await texts('.scene span')).filter(text => text);
      assert.ok(
        queries.length >= 5 && queries.every(text => HAN.test(text) === (language === 'zh')),
        `scenes in the page's language: ${queries}`,
      );
      assert.equal((await texts('.group .minor')).length, 3, 'of the groups that have some');
      await good('scenes');
      await hit('.scene');
      await page.waitForSelector('.after tbody tr');
      await good('scene');
    });
  },
);
