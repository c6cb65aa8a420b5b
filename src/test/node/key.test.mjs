// The page of a gateway that asks for a key, at both widths and in both languages. ConsoleTest starts it and runs this.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {everywhere, given} from './browser.mjs';

everywhere(({page, complaints, hit, look, open, press, pure, rerank, ranked, until, upload, word}) => {
  test('it asks once, refuses a wrong key, and keeps the right one for the session', async () => {
    await page.goto(given.url);
    await page.waitForSelector('form.key');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'key');
    assert.deepEqual(await page.$$eval('nav a, .tools *', all => all.length), 0, 'there is nothing else to press');
    await pure('key');
    await look('key');
    await page.keyboard.type('not-this-key');
    await page.keyboard.press('Enter');
    await until(text => document.querySelector('[role=alert]')?.textContent === text, await word('keyWrong'));
    await pure('wrong');
    await page.locator('#key').fill(given.key);
    await press(await word('keyGo'));
    await page.waitForSelector('.page.batch h1');
    await page.waitForSelector('.health.fine');
    await page.reload();
    await page.waitForSelector('.page.batch h1');
    assert.ok(
      complaints.splice(0).every(one => one.includes('401')),
      'before the key was given',
    );

    await upload(1, given.list);
    await rerank();
    assert.ok((await ranked()).length > 1);
    assert.ok(
      await page.$$eval('.after .thumb img', all => all.length > 0 && all.every(img => img.loading === 'lazy')),
    );
    await until(() => document.querySelector('.after .thumb img').naturalWidth > 0);
    await open('live');
    await until(text => document.querySelector('.hint[role=status]').textContent === text, await word('waitingLive'));
    await hit('nav a');
    await page.waitForSelector('.page.single');
    assert.deepEqual(complaints, []);
  });
});
