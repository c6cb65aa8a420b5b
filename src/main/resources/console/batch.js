import {chinese, presets, say} from '/words.js';
import {band, busy, csvCell, el, follows, info, instructionField, json, latencyBar, made, markdownCell, problem, requestId, rerank,
  reveal, rich, save, scoreBar, staleNote, tell} from '/parts.js';
import {many} from '/many.js';
import {contentField, plain, fileButton, held, orSay, readPicture, takesFiles, thumbnail, zoomable} from '/content.js';

const LONG = 512;
/** Rows in view before the others are asked for. */
const FOLD = 20;
/** Pictures of documents in view before the others are asked for. */
const THUMBS = 24;
const state = {
  query: {text: '', images: []}, documents: [], pasted: '', instruction: null, second: null, topN: null,
  lists: [], scenes: null, scene: null, answer: null, other: null, sort: ['rank', 1], note: '', made: null, unfolded: false,
};

export async function batch(root) {
  state.instruction ??= info.instruction;
  state.scenes ??= await json('/api/scenes', []);
  const result = el('div', {class: 'results'});
  const again = () => {
    root.replaceChildren();
    return batch(root);
  };
  const go = el('button', {class: 'button', onclick: () => run(go, result)}, say('rerank'));
  root.append(el('h1', {}, say('batch')), el('p', {class: 'lead'}, say('batchLead')), scenes(again),
    el('section', {class: 'card'}, state.note && el('p', {class: 'hint', role: 'status'}, state.note),
      el('div', {class: 'two'}, contentField(say('query'), say('queryHint'), state.query, 3), documents(again, result)),
      instructionField(say('instruction'), state.instruction, value => { state.instruction = value; }),
      second(again), el('div', {class: 'row actions'}, go, el('label', {class: 'row'}, say('topN'), topN()))),
    result);
  paint(result);
  follows(root, go, result, () => state.answer !== null && state.made !== null && state.made !== input());
  if (state.run) {
    state.run = false;
    await run(go, result);
  }
}

const input = () => made([state.query, state.documents, state.instruction, state.second, state.topN]);

function topN() {
  const input = el('input', {type: 'number', min: 1, max: info.max_candidates, placeholder: say('all'), value: state.topN ?? '',
    oninput: () => { state.topN = input.value ? Number(input.value) : null; }});
  return input;
}

function second(again) {
  const check = el('input', {type: 'checkbox', checked: state.second !== null, onchange: () => {
    state.second = check.checked ? presets[2][0] : null;
    state.other = null;
    again();
  }});
  return el('div', {}, el('label', {class: 'row check'}, check, say('compare')),
    state.second !== null && instructionField(say('second'), state.second, value => { state.second = value; }));
}

/** More than lines of text can hold, so that typing over it would lose something. */
const fixed = one => Object.keys(one.attributes ?? {}).length > 0 || (one.images?.length > 0 && (one.text || state.scene));

function documents(again, result) {
  const label = el('span', {class: 'label'});
  const count = () => { label.textContent = `${say('documents')}${state.documents.length ? ` · ${state.documents.length}` : ''}`; };
  count();
  const area = el('textarea', {rows: 7, placeholder: say('documentsHint'), 'aria-label': say('documents'), value: state.pasted,
    readOnly: state.documents.some(fixed), oninput: () => {
      state.pasted = area.value;
      const typed = area.value.split('\n').filter(line => line.trim()).map((line, i) => ({id: String(i + 1), text: line.trim(), images: []}));
      state.documents = [...typed, ...state.documents.filter(one => one.images?.length)];
      state.scene = null;
      count();
    }});
  const clear = () => {
    Object.assign(state, {documents: [], pasted: '', lists: [], scene: null, note: ''});
    again();
  };
  const refuse = error => result.replaceChildren(problem(error));
  const take = async files => {
    try {
      await open(files);
      again();
    } catch (error) {
      refuse(error);
    }
  };
  const choose = state.lists.length > 1 && el('label', {class: 'row'}, say('chooseList'), el('select', {onchange: event => {
    fill(state.lists[event.target.value]);
    again();
  }}, state.lists.map((list, i) => el('option', {value: i, selected: list === state.scene}, list.request_id))));
  const all = state.lists.length > 1 && many(state.lists, (list, answer) => {
    fill(list, answer);
    again();
  });
  const thumbs = el('div', {class: 'thumbs'});
  let most = THUMBS;
  const pictures = () => {
    const pictured = state.documents.filter(one => one.images?.length);
    thumbs.replaceChildren(...pictured.slice(0, most).map(one => held(one.images[0], title(one), () => {
      state.documents = state.documents.filter(other => other !== one);
      state.pasted = area.value = lines();
      count();
      pictures();
      area.focus();
    })), pictured.length > most ? el('button', {class: 'button tiny quiet', onclick: () => {
      most = Infinity;
      pictures();
    }}, say('showAll', {count: pictured.length})) : '');
    return pictured.length > 0;
  };
  const removable = pictures() || area.readOnly;
  return takesFiles(el('div', {class: 'field drop'}, label, area, thumbs,
  el('div', {class: 'row'}, fileButton(say('dropFile'), '', take), el('span', {class: 'hint'}, say('dropFileHint')),
    removable && el('button', {class: 'button tiny quiet', onclick: clear}, say('removeAll'))), choose, all), take, refuse);
}

function atMost(count, max) {
  if (count > max) throw new Error(say('tooMany', {count, max}));
}

async function open(files) {
  const pictures = files.filter(file => file.type.startsWith('image/'));
  if (pictures.length) {
    atMost(pictures.length, info.max_candidates);
    const read = await Promise.all(pictures.map(async file => ({id: file.name, text: null, images: [await readPicture(file)]})));
    state.documents = [...state.documents.filter(one => one.images?.length || one.text), ...read];
    state.pasted = lines();
    return;
  }
  const file = files[0];
  const written = (await orSay(file.name, file.text())).split('\n').filter(line => line.trim());
  const parsed = written.map(line => {
    try {
      const value = JSON.parse(line);
      return typeof value === 'string' ? {text: value} : value;
    } catch {
      return {text: line.trim()};
    }
  });
  const isList = one => Array.isArray(one?.candidates) && one.query;
  const lists = parsed.filter(isList);
  if (lists.length) {
    const others = parsed.flatMap((one, i) => isList(one) ? [] : [i + 1]);
    state.lists = lists;
    state.note = say('loadedLists', {count: lists.length, name: file.name})
      + (others.length ? ` ${say('leftLines', {lines: others.slice(0, 10).join(', ') + (others.length > 10 ? ', …' : '')})}` : '');
    fill(lists[0]);
    return;
  }
  const isDocument = one => one && (typeof one.text === 'string' || Array.isArray(one.images));
  const found = parsed.filter(isDocument);
  const left = parsed.flatMap((one, i) => isDocument(one) ? [] : [i + 1]);
  if (!found.length) throw new Error(say('badFile', {name: file.name}));
  state.documents = found.map((one, i) => ({id: String(one.id ?? i + 1), text: one.text ?? null, images: one.images ?? [],
    attributes: one.attributes, retrieval_score: one.retrieval_score}));
  state.scene = null;
  Object.assign(state, {lists: [], pasted: lines(), note: left.length ? say('leftLines', {lines: left.slice(0, 10).join(', ')}) : ''});
}

/** Takes over a list of the contract. */
export function fill(list, answer = null) {
  state.scene = list;
  state.query = {text: list.query.text ?? '', images: [...list.query.images ?? []]};
  state.documents = list.candidates.map(one => ({...one, images: one.images ?? []}));
  state.pasted = lines();
  state.instruction = list.instruction ?? info.instruction;
  state.topN = list.top_n ?? null;
  state.answer = answer;
  state.made = null;
  state.unfolded = false;
  state.other = null;
  state.asked = state.documents;
}

export function show(list, answer) {
  fill(list, answer && {...answer, stages: Object.fromEntries(Object.entries(answer.latency).map(([k, v]) => [k, v / 1000]))});
  state.note = say('opened', {id: list.request_id});
}

/** What the area shows: a line each, of those with a text; of all of a list of the contract. */
const lines = () => state.documents.map(one => state.scene ? title(one) : one.text).filter(line => line?.trim()).join('\n');

const title = one => one.attributes?.title || one.text?.trim() || one.id;

/** A few scenes of each group in view, pictures and texts in the page's language; the others in a list. */
function scenes(again) {
  const language = chinese() ? 'zh' : 'en';
  const try_ = list => {
    fill(list);
    state.lists = [];
    state.note = '';
    state.run = true;
    again();
  };
  const groups = Map.groupBy ? Map.groupBy(state.scenes, list => list.attributes?.group ?? '') : new Map([['', state.scenes]]);
  const chip = list => el('button', {class: `scene ${list === state.scene ? 'on' : ''}`, onclick: () => try_(list)},
    list.query.images?.length ? thumbnail(list.query.images[0], list.request_id) : null, list.query.text && el('span', {}, list.query.text));
  const own = list => list.query.text && (list.attributes?.language ?? language) === language;
  const few = lists => [...lists.filter(own).slice(0, 3), ...lists.filter(list => list.query.images?.length && !list.query.text).slice(0, 3)];
  const shop = [...groups].filter(([, lists]) => few(lists).length).map(([group, lists]) => el('div', {class: 'group'}, el('h2', {class: 'minor'}, say(group)), el('div', {class: 'chips'}, few(lists).map(chip))));
  const every = state.scenes.length > 0 && el('select', {'aria-label': say('scenes'), onchange: event => try_(state.scenes[event.target.value])},
    el('option', {value: ''}, say('moreScenes', {count: state.scenes.length})),
    state.scenes.map((list, i) => el('option', {value: i}, `${list.request_id} ${list.query.text ?? say('picture')}`)));
  const others = [['sceneFigures', 4], ['sceneExercise', 5], ['sceneBoard', 6], ['sceneOutfit', 1]].map(([key, preset]) =>
    el('button', {class: 'scene', onclick: () => {
      state.instruction = presets[preset][0];
      state.note = say('sceneGo');
      again();
    }}, say(key)));
  const honest = info.demo_checkpoint ? say('honestDemo') : info.model ? say('honestOther', {model: info.model}) : say('honestUnknown');
  return el('details', {class: 'card scenes'}, el('summary', {}, say('scenes')), el('p', {class: 'hint'}, rich(honest)),
    el('div', {class: 'groups'}, shop), every, el('h2', {class: 'minor'}, say('scenesOwn')), el('div', {class: 'chips'}, others));
}

async function run(button, result) {
  if (!(state.query.text.trim() || state.query.images.length) || !state.documents.length) {
    result.replaceChildren(problem(new Error(say('needBoth'))));
    return;
  }
  // what is edited meanwhile is of the next run
  const {documents: asked, topN: top_n, instruction: first, second: other} = state;
  const query = plain({...state.query, images: [...state.query.images]});
  const asking = input();
  try {
    atMost(asked.length, info.max_candidates);
    const list = instruction => ({request_id: requestId(), instruction: instruction || null, query, top_n,
      candidates: asked.map(({id, text, images, attributes, retrieval_score: retrieved, relevance}) =>
        ({id, text, images, attributes: attributes ?? {}, retrieval_score: retrieved ?? null, relevance: relevance ?? null}))});
    await busy(button, async () => {
      const answer = await rerank(list(first));
      Object.assign(state, {other: other ? await rerank(list(other)) : null, answer, asked, made: asking, unfolded: false});
    });
    tell(say('done', {count: asked.length, ms: Math.round(state.answer.stages.total)}));
    paint(result);
    reveal(result);
  } catch (error) {
    result.replaceChildren(problem(error));
  }
}

/** One row a candidate: what came in, what became of it, and what the second instruction makes of it. */
function rows() {
  const second = new Map((state.other ? [...state.other.results, ...state.other.left_out] : []).map(one => [one.retrieval_rank, one]));
  const other = one => second.get(one.retrieval_rank);
  return [...state.answer.results, ...state.answer.left_out].map(one => {
    const candidate = state.asked[one.retrieval_rank - 1] ?? {id: one.id, images: []};
    return {one, candidate, rank: one.rank, was: one.retrieval_rank, score: one.score, text: title(candidate), note: note(one, candidate), detail: one.detail ?? '',
      moved: one.rank == null ? null : one.retrieval_rank - one.rank, second: other(one)?.score ?? null,
      secondRank: other(one)?.rank ?? null, secondMoved: other(one)?.rank == null ? null : one.retrieval_rank - other(one).rank};
  });
}

function note(one, candidate) {
  const notes = one.rules.map(rule => `${say('rule')} ${rule}`);
  if ((candidate.text ?? '').length > LONG) notes.push(say('longText'));
  if (one.truncated) notes.push(say('truncated'));
  if (one.status !== 'SCORED') notes.push(say('because', {what: say(one.status === 'REJECTED' ? 'rejected' : 'notScored'), why: say(one.reason)}));
  else if (one.rank == null) notes.push(say('because', {what: say('leftOut'), why: say(one.reason)}));
  return notes.join('; ');
}

const noteOf = row => (row.note || row.detail) && el('small', {class: 'note'}, row.note, row.note && row.detail ? ' · ' : '', el('span', {lang: 'en'}, row.detail));

function movement(moved) {
  if (moved == null) return el('span', {class: 'move'}, '–');
  return el('span', {class: `move ${moved > 0 ? 'up' : moved < 0 ? 'down' : ''}`}, moved > 0 ? `▲ ${moved}` : moved < 0 ? `▼ ${-moved}` : '=');
}

const mark = relevance => relevance == null ? '' : relevance >= 2 ? '● ' : relevance === 1 ? '◐ ' : '· ';

function paint(result) {
  if (!state.answer) return;
  const all = rows();
  const judged = all.some(row => row.one.relevance != null);
  const [key, direction] = state.sort;
  const sorted = [...all].sort((a, b) => {
    const [x, y] = [a[key] ?? Infinity, b[key] ?? Infinity];
    return (typeof x === 'string' ? x.localeCompare(String(y)) : x - y) * (x === Infinity || y === Infinity ? 1 : direction);
  });
  const light = row => ({onmouseenter: () => point(row.was, true), onmouseleave: () => point(row.was, false), 'data-was': row.was});
  const point = (was, on) => result.querySelectorAll(`[data-was="${was}"]`).forEach(node => node.classList.toggle('pointed', on));
  const head = (name, label, first = 1, kind = '') => el('th', {scope: 'col', class: kind, 'aria-sort': key === name ? (direction > 0 ? 'ascending' : 'descending') : 'none'},
    el('button', {class: 'sort', onclick: () => {
      state.sort = key === name ? [name, -direction] : [name, first];
      paint(result);
    }}, label, el('span', {'aria-hidden': 'true'}, key === name ? (direction > 0 ? ' ↑' : ' ↓') : '')));
  const kept = state.unfolded ? Infinity : Math.max(FOLD, state.topN ?? 0);
  const before = el('ol', {class: 'before'}, [...all].sort((a, b) => a.was - b.was).slice(0, kept).map(row => el('li', light(row),
    row.candidate.images?.length ? zoomable(row.candidate.images[0], row.text) : null, el('span', {class: 'clip'}, mark(row.one.relevance), row.text))));
  const after = el('div', {class: 'scroll', tabindex: 0, role: 'region', 'aria-label': say('after')}, el('table', {class: 'after'},
    el('thead', {}, el('tr', {}, head('rank', '#'), head('moved', say(state.other ? 'firstMoved' : 'moved'), -1), head('text', say('document')),
      head('score', say(state.other ? 'firstScore' : 'scoreColumn'), -1), state.other && head('second', say('secondScore'), -1),
      state.other && head('secondMoved', say('secondMoved'), -1))),
    el('tbody', {}, sorted.slice(0, kept).map(row => el('tr', {...light(row), class: row.rank == null ? 'out' : ''},
      el('td', {class: 'number'}, row.rank ?? '–'), el('td', {}, movement(row.moved)),
      el('td', {class: 'doc'}, el('div', {class: 'row'}, row.candidate.images?.length ? zoomable(row.candidate.images[0], row.text) : null,
        el('div', {}, mark(row.one.relevance), row.text, noteOf(row)))),
      el('td', {}, scoreBar(row.score)),
      state.other && el('td', {}, scoreBar(row.second, row.secondRank)), state.other && el('td', {}, movement(row.secondMoved)))))));
  const fold = all.length > Math.max(FOLD, state.topN ?? 0) && el('button', {class: 'button tiny quiet', onclick: () => {
    state.unfolded = !state.unfolded;
    paint(result);
  }}, state.unfolded ? say('fewer') : say('showAll', {count: all.length}));
  result.replaceChildren(
    state.answer.status !== 'COMPLETE' ? el('div', {class: 'problem', role: 'alert'}, el('b', {}, say(state.answer.status)), ` ${say(state.answer.reason ?? '')} `, el('span', {lang: 'en'}, state.answer.detail ?? '')) : '',
    el('div', {class: `sides ${state.other ? 'stacked' : ''}`}, el('section', {class: 'card'}, el('h2', {}, say('before')), before),
      el('section', {class: 'card'}, el('div', {class: 'row'}, el('h2', {class: 'grow'}, say('after')), exports(sorted)), after, fold, judged && el('p', {class: 'hint'}, say('known')))),
    latencyBar(state.answer.stages), staleNote());
}

function exports(sorted) {
  const columns = ['id', 'rank', 'was', 'score', 'band', 'document', 'note'];
  const cells = row => [row.one.id, row.rank ?? '', row.was, row.score ?? '', say(band(row.score)), row.text, [row.note, row.detail].filter(part => part).join(', ')];
  const forms = {
    JSON: () => save('reranked.json', 'application/json', JSON.stringify({...state.answer, stages: undefined}, null, 2)),
    // spreadsheets read it as UTF-8 only with a byte-order mark
    CSV: () => save('reranked.csv', 'text/csv', `\ufeff${[columns, ...sorted.map(cells)].map(row => row.map(csvCell).join(',')).join('\r\n')}\r\n`),
    Markdown: () => save('reranked.md', 'text/markdown', [columns, ['---', '---:', '---:', '---:', '---', '---', '---']].map(row => `| ${row.join(' | ')} |`)
      .concat(sorted.map(row => `| ${cells(row).map(markdownCell).join(' | ')} |`)).join('\n')),
  };
  return el('div', {class: 'row small', role: 'group', 'aria-label': say('export')},
    Object.entries(forms).map(([name, action]) => el('button', {class: 'button tiny quiet', onclick: action}, name)));
}
