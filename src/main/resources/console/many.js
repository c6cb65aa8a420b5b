import {say} from '/words.js';
import {el, problem, requestId, rerank, save, tell} from '/parts.js';
import {plain} from '/content.js';

/** Lists under way at once, so that the network has work while answers travel. */
const AT_ONCE = 4;

/** Reranks every list of a file, shows how far it is, and a table of them. show: opens a list with its answer */
export function many(lists, show) {
  const place = el('div', {class: 'many'});
  const go = el('button', {class: 'button', onclick: () => run()}, say('rerankAll', {count: lists.length}));
  const progress = el('p', {class: 'hint', role: 'status'});
  const table = el('div');
  place.append(el('div', {class: 'row'}, go, progress), table);

  async function run() {
    const answers = [];
    const began = performance.now();
    let next = 0;
    let done = 0;
    go.disabled = true;
    const work = async () => {
      while (next < lists.length) {
        const at = next++;
        answers[at] = await rerank(asked(lists[at])).catch(error => ({error}));
        done++;
        const rate = done / ((performance.now() - began) / 1000);
        progress.textContent = say('progressAll', {done, count: lists.length, rate: rate.toFixed(1), left: Math.ceil((lists.length - done) / rate)});
      }
    };
    await Promise.all(Array.from({length: AT_ONCE}, work));
    go.disabled = false;
    const failed = answers.filter(answer => answer.error).length;
    tell(say('doneAll', {count: lists.length - failed, failed}));
    progress.textContent = say('doneAll', {count: lists.length - failed, failed});
    table.replaceChildren(summary(lists, answers, show));
  }
  return place;
}

const asked = list => ({...list, request_id: requestId(), query: plain({text: list.query.text, images: list.query.images ?? []})});

/** nDCG of the first ten, with gains 2^relevance - 1; null without labels or without one that is relevant. */
export function ndcg(grades) {
  const gain = (grade, i) => (2 ** (grade ?? 0) - 1) / Math.log2(i + 2);
  const sum = some => some.slice(0, 10).reduce((all, grade, i) => all + gain(grade, i), 0);
  const best = sum([...grades].sort((a, b) => (b ?? 0) - (a ?? 0)));
  return best > 0 ? sum(grades) / best : null;
}

function summary(lists, answers, show) {
  const number = value => value == null ? '–' : value.toFixed(3);
  const rows = lists.map((list, i) => {
    const answer = answers[i];
    const after = answer.error ? [] : answer.results.filter(one => one.score != null);
    const judged = list.candidates.some(one => one.relevance != null);
    return {list, answer, best: after[0]?.score ?? null, before: judged ? ndcg(list.candidates.map(one => one.relevance)) : null,
      after: judged && !answer.error ? ndcg(answer.results.map(one => one.relevance)) : null};
  });
  const judged = rows.filter(row => row.after != null);
  const mean = key => judged.reduce((sum, row) => sum + row[key], 0) / judged.length;
  const heads = ['list', 'query', 'candidates', 'status', 'best', ...judged.length ? ['ndcgBefore', 'ndcgAfter'] : []];
  const jsonl = () => save('reranked.jsonl', 'application/x-ndjson', rows.filter(({answer}) => !answer.error)
    .map(({list, answer}) => `${JSON.stringify({...answer, stages: undefined, request_id: list.request_id ?? answer.request_id})}\n`).join(''));
  return el('div', {}, el('div', {class: 'scroll', tabindex: 0, role: 'region', 'aria-label': say('lists')}, el('table', {class: 'all'},
    el('thead', {}, el('tr', {}, heads.map(head => el('th', {scope: 'col'}, say(head))))),
    el('tbody', {}, rows.map(({list, answer, best, before, after}, i) => el('tr', {},
      el('td', {}, answer.error ? list.request_id ?? i + 1 : el('button', {class: 'link', onclick: () => show(list, answer)}, list.request_id ?? String(i + 1))),
      el('td', {class: 'doc'}, list.query.text ?? say('picture')), el('td', {class: 'number'}, list.candidates.length),
      el('td', {}, answer.error ? problem(answer.error) : say(answer.status)), el('td', {class: 'number'}, number(best)),
      judged.length ? [el('td', {class: 'number'}, number(before)), el('td', {class: 'number'}, number(after))] : [])),
    judged.length ? el('tr', {class: 'mean'}, el('th', {scope: 'row', colspan: 5}, say('meanOf', {count: judged.length})),
      el('td', {class: 'number'}, number(mean('before'))), el('td', {class: 'number'}, number(mean('after')))) : ''))),
  el('button', {class: 'button tiny quiet', onclick: jsonl}, say('downloadAll')));
}
