import {say} from '/words.js';
import {band, bandChip, busy, el, follows, info, instructionField, latencyBar, made, problem, requestId, rerank, reveal, rich, staleNote, tell} from '/parts.js';
import {bitmap, contentField, draw, plain, shown} from '/content.js';

const state = {query: {text: '', images: []}, document: {text: '', images: []}, instruction: null, answer: null, why: null, made: null};
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
    info.demo_checkpoint && el('p', {class: 'hint'}, rich(say('honestDemo'))),
    el('section', {class: 'card'},
      el('div', {class: 'two'}, contentField(say('query'), say('queryHint'), state.query, 4),
        contentField(say('document'), say('documentHint'), state.document, 4)),
      instructionField(say('instruction'), state.instruction, value => { state.instruction = value; }),
      el('div', {class: 'row actions'}, score, why)),
    result);
  paint(result);
  follows(root, score, result, () => state.made !== null && state.made !== input());
}

const input = () => made([state.query, state.document, state.instruction]);

async function run(button, result, action) {
  if (empty(state.query) || empty(state.document)) {
    result.replaceChildren(problem(new Error(say('needBoth'))));
    return;
  }
  const asked = input();
  try {
    await busy(button, action);
    state.made = asked;
    paint(result);
    reveal(result);
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
    const {score, logit} = answers[next++];
    return whole == null || score == null ? {score, effect: null} : {score, effect: whole - score, odds: answers[0].logit - logit};
  };
  state.answer = {...answers[0], stages: answer.stages};
  state.why = {
    parts: left.map((one, i) => one ? {text: parts[i], ...effect()} : {text: parts[i]}),
    picture: canvas ? images[0] : null,
    cells: canvas ? Array.from({length: SIDE * SIDE}, effect) : [],
  };
}

/** The smallest difference of two scores that is one: those below are printed as 0.000. */
const SEEN = 0.0005;

/** A factor as people write it: × 1.4, × 1,200, ÷ 35. */
function times(odds) {
  if (odds == null) return '–';
  const factor = Math.exp(Math.abs(odds));
  const digits = factor < 10 ? factor.toFixed(1) : Number(factor.toPrecision(2)).toLocaleString('en');
  return factor < 1.05 ? '× 1' : factor > 1e6 ? `${odds > 0 ? '×' : '÷'} ${say('million')}` : `${odds > 0 ? '×' : '÷'} ${digits}`;
}

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
  const note = answer.score == null ? say('because', {what: say(answer.status === 'REJECTED' ? 'rejected' : 'notScored'), why: say(answer.reason)}) : say(`${band(answer.score)}Says`);
  const meter = el('div', {class: `meter ${band(answer.score)}`, 'aria-hidden': 'true'}, el('span'));
  meter.firstChild.style.width = `${(answer.score ?? 0) * 100}%`;
  result.replaceChildren(
    el('section', {class: 'card verdict'},
      el('div', {class: 'big'}, answer.score == null ? '–' : answer.score.toFixed(3)),
      el('div', {class: 'grow'}, el('div', {class: 'row'}, bandChip(answer.score), el('span', {}, note, ' ', el('span', {lang: 'en'}, answer.score == null ? answer.detail ?? '' : ''))), meter)),
    why ? explained(why) : '', latencyBar(answer.stages), staleNote());
}

function explained(why) {
  const size = one => Math.abs(one.effect ?? 0);
  const most = Math.max(0.02, ...[...why.parts, ...why.cells].map(size));
  const tint = (node, one) => {
    if (size(one) < SEEN) return node;
    node.classList.add(one.effect > 0 ? 'for' : 'against');
    node.style.setProperty('--weight', `${Math.round(size(one) / most * 60)}%`);
    return node;
  };
  const signed = effect => effect == null ? '–' : Math.abs(effect) < SEEN ? '0.000' : `${effect > 0 ? '+' : '−'}${Math.abs(effect).toFixed(3)}`;
  const verdict = one => one.effect == null ? '' : size(one) < SEEN ? say('noEffect') : say(one.effect > 0 ? 'speaksFor' : 'speaksAgainst');
  const cells = why.cells.map(one => tint(el('span', {}, signed(one.effect)), one));
  const words = why.parts.map(one => tint(el('span', {class: 'part', title: signed(one.effect)}, one.text), one));
  const rows = [...why.parts.map((one, i) => [one.text.trim(), one, words[i]]).filter(([, one]) => 'effect' in one),
    ...why.cells.map((one, i) => [`${say('region')} ${Math.floor(i / SIDE) + 1}·${i % SIDE + 1}`, one, cells[i]])]
    .sort(([, a], [, b]) => size(b) - size(a) || Math.abs(b.odds ?? 0) - Math.abs(a.odds ?? 0));
  const light = place => ({onmouseenter: () => place.classList.add('pointed'), onmouseleave: () => place.classList.remove('pointed')});
  return el('section', {class: 'card'}, el('h2', {}, say('why')), el('p', {class: 'hint'}, say('whyLead')),
    el('div', {class: 'why'},
      why.parts.some(one => 'effect' in one) && el('p', {class: 'parts'}, words),
      why.picture && el('div', {class: 'regions'}, el('img', {src: why.picture, alt: say('picture')}),
        el('div', {class: 'grid', 'aria-hidden': 'true'}, cells))),
    el('div', {class: 'scroll', tabindex: 0, role: 'region', 'aria-label': say('why')}, el('table', {},
      el('thead', {}, el('tr', {}, ['part', 'without', 'effect', 'odds'].map(head => el('th', {scope: 'col'}, say(head))))),
      el('tbody', {}, rows.map(([name, one, place]) => el('tr', light(place), el('td', {}, name), el('td', {class: 'number'}, one.score?.toFixed(3) ?? '–'),
        el('td', {class: 'number'}, signed(one.effect)), el('td', {}, `${times(one.odds)} ${verdict(one)}`)))))));
}
