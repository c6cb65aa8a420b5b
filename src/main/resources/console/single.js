import {say} from '/words.js';
import {band, bandChip, busy, el, info, instructionField, latencyBar, problem, requestId, rerank, tell} from '/parts.js';
import {bitmap, contentField, draw, plain, shown} from '/content.js';

const state = {query: {text: '', images: []}, document: {text: '', images: []}, instruction: null, answer: null, why: null};
const SIDE = 3;
const MAX_PARTS = 40;
/** Of all pictures of a document together: each variant carries them anew, and a request is bounded. */
const WHY_PIXELS = 512 * 512;

export function single(root) {
  state.instruction ??= info.instruction;
  const result = el('div', {class: 'results'});
  const score = el('button', {class: 'button', onclick: () => run(score, result, scoreOnce)}, say('score'));
  const why = el('button', {class: 'button quiet', onclick: () => run(why, result, explain)}, say('why'));
  root.append(el('h1', {}, say('single')), el('p', {class: 'lead'}, say('singleLead')),
    el('section', {class: 'card'},
      el('div', {class: 'two'}, contentField(say('query'), say('queryHint'), state.query, 4),
        contentField(say('document'), say('documentHint'), state.document, 4)),
      instructionField(say('instruction'), state.instruction, value => { state.instruction = value; }),
      el('div', {class: 'row actions'}, score, why)),
    result);
  paint(result);
}

async function run(button, result, action) {
  if (empty(state.query) || empty(state.document)) {
    result.replaceChildren(problem(new Error(say('needBoth'))));
    return;
  }
  try {
    await busy(button, action);
    paint(result);
    tell(`${say('score')} ${state.answer.score?.toFixed(3) ?? '–'}`);
  } catch (error) {
    result.replaceChildren(problem(error));
  }
}

const empty = content => !content.text?.trim() && !content.images.length;

const list = candidates => ({
  request_id: requestId(), instruction: state.instruction || null, query: plain(state.query),
  candidates: candidates.map((candidate, i) => ({id: String(i), ...candidate})),
});

/** Answers in the order of the candidates, whatever their rank. */
async function scores(candidates) {
  const answer = await rerank(list(candidates));
  const byPosition = [];
  for (const one of [...answer.results, ...answer.left_out]) byPosition[one.retrieval_rank - 1] = one;
  return [byPosition, answer];
}

async function scoreOnce() {
  const [[one], answer] = await scores([plain(state.document)]);
  state.answer = {...one, stages: answer.stages};
  state.why = null;
}

/** Sentences; of a single one its phrases, of a single phrase its words. */
function split(text) {
  const segments = (granularity) => [...new Intl.Segmenter(undefined, {granularity}).segment(text)].map(s => s.segment);
  let parts = segments('sentence');
  if (parts.filter(p => p.trim()).length < 2) parts = text.split(/(?<=[,;:，；：、|–—])/);
  if (parts.filter(p => p.trim()).length < 2) {
    parts = segments('word').reduce((all, word) => {
      if (/[\p{L}\p{N}]/u.test(word) || !all.length) all.push(word);
      else all[all.length - 1] += word;
      return all;
    }, []);
  }
  return parts.length <= MAX_PARTS ? parts : [...parts.slice(0, MAX_PARTS - 1), parts.slice(MAX_PARTS - 1).join('')];
}

async function explain() {
  const text = state.document.text ?? '';
  const parts = text.trim() ? split(text) : [];
  const pictures = [...state.document.images];
  const pixels = Math.min(info.max_pixels, WHY_PIXELS / pictures.filter(shown).length);
  const canvases = await Promise.all(pictures.map(async one => shown(one) ? draw(await bitmap(one), pixels) : null));
  // whole pictures go through the same encoder as the masked ones
  const images = pictures.map((one, i) => canvases[i]?.toDataURL('image/jpeg', 0.92) ?? one);
  const rest = images.slice(1);
  const canvas = canvases[0];
  const variants = [{text: text || null, images}];
  const left = [];
  if (parts.length > 1 || images.length) {
    parts.forEach((part, i) => {
      if (part.trim()) {
        left.push({part});
        variants.push({text: parts.filter((_, k) => k !== i).join('') || null, images});
      } else left.push(null);
    });
  }
  if (canvas) {
    for (let cell = 0; cell < SIDE * SIDE; cell++) variants.push({text: text || null, images: [masked(canvas, cell), ...rest]});
  }
  if (variants.length === 1) throw new Error(say('whyNothing'));
  const [answers, answer] = await scores(variants);
  let next = 1;
  const whole = answers[0].score;
  const effect = () => {
    const score = answers[next++].score;
    return whole == null || score == null ? {score, effect: null} : {score, effect: whole - score, odds: logOdds(whole) - logOdds(score)};
  };
  state.answer = {...answers[0], stages: answer.stages};
  state.why = {
    parts: left.map((one, i) => one ? {text: parts[i], ...effect()} : {text: parts[i]}),
    picture: canvas ? images[0] : null,
    cells: canvas ? Array.from({length: SIDE * SIDE}, effect) : [],
  };
}

/** Saturated scores still differ in their odds. */
const logOdds = score => {
  const inside = Math.min(1 - 1e-7, Math.max(1e-9, score));
  return Math.log(inside / (1 - inside));
};

function masked(canvas, cell) {
  const copy = el('canvas', {width: canvas.width, height: canvas.height});
  const pen = copy.getContext('2d');
  pen.drawImage(canvas, 0, 0);
  pen.fillStyle = '#7b7b7b';
  const w = canvas.width / SIDE;
  const h = canvas.height / SIDE;
  pen.fillRect(Math.floor(cell % SIDE * w), Math.floor(Math.floor(cell / SIDE) * h), Math.ceil(w), Math.ceil(h));
  return copy.toDataURL('image/jpeg', 0.92);
}

function paint(result) {
  const {answer, why} = state;
  if (!answer) return;
  const note = answer.score == null ? `${say(answer.status === 'REJECTED' ? 'rejected' : 'notScored')}: ${answer.reason} ${answer.detail ?? ''}` : say(`${band(answer.score)}Says`);
  const meter = el('div', {class: `meter ${band(answer.score)}`, 'aria-hidden': 'true'}, el('span'));
  meter.firstChild.style.width = `${(answer.score ?? 0) * 100}%`;
  result.replaceChildren(
    el('section', {class: 'card verdict'},
      el('div', {class: 'big'}, answer.score == null ? '–' : answer.score.toFixed(3)),
      el('div', {class: 'grow'}, el('div', {class: 'row'}, bandChip(answer.score), el('span', {}, note)), meter)),
    why ? explained(why) : '', latencyBar(answer.stages));
}

function explained(why) {
  const most = Math.max(0.05, ...[...why.parts, ...why.cells].map(one => Math.abs(one.odds ?? 0)));
  const tint = (node, odds) => {
    if (odds == null) return node;
    node.classList.add(odds >= 0 ? 'for' : 'against');
    node.style.setProperty('--weight', `${Math.round(Math.abs(odds) / most * 60)}%`);
    return node;
  };
  const signed = effect => effect == null ? '–' : Math.abs(effect) < 0.0005 ? '0.000' : `${effect > 0 ? '+' : '−'}${Math.abs(effect).toFixed(3)}`;
  const times = odds => odds == null ? '–' : `× ${Math.exp(odds).toPrecision(3).replace(/e\+?/, '·10^')}`;
  const short = one => one.effect != null && Math.abs(one.effect) < 0.0005 ? times(one.odds) : signed(one.effect);
  const verdict = one => one.odds == null ? '' : Math.abs(one.odds) < 0.05 ? say('noEffect') : say(one.odds > 0 ? 'speaksFor' : 'speaksAgainst');
  const rows = [...why.parts.filter(one => 'effect' in one).map(one => [one.text.trim(), one]),
    ...why.cells.map((one, i) => [`${say('region')} ${Math.floor(i / SIDE) + 1}·${i % SIDE + 1}`, one])]
    .sort((a, b) => Math.abs(b[1].odds ?? 0) - Math.abs(a[1].odds ?? 0));
  return el('section', {class: 'card'}, el('h2', {}, say('why')), el('p', {class: 'hint'}, say('whyLead')),
    el('div', {class: 'why'},
      why.parts.some(one => 'effect' in one) && el('p', {class: 'parts'}, why.parts.map(one =>
        tint(el('span', {class: 'part', title: short(one)}, one.text), one.odds))),
      why.picture && el('div', {class: 'regions'}, el('img', {src: why.picture, alt: say('picture')}),
        el('div', {class: 'grid', 'aria-hidden': 'true'}, why.cells.map(one => tint(el('span', {}, short(one)), one.odds))))),
    el('div', {class: 'scroll', tabindex: 0, role: 'region', 'aria-label': say('why')}, el('table', {},
      el('thead', {}, el('tr', {}, ['part', 'without', 'effect', 'odds'].map(head => el('th', {scope: 'col'}, say(head))))),
      el('tbody', {}, rows.map(([name, one]) => el('tr', {}, el('td', {}, name), el('td', {class: 'number'}, one.score?.toFixed(3) ?? '–'),
        el('td', {class: 'number'}, signed(one.effect)), el('td', {}, `${times(one.odds)} ${verdict(one)}`)))))));
}
