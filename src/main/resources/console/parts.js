import {chinese, presets, say} from '/words.js';

/** An element; what users gave goes in as text, never as markup. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'class') node.className = value;
    else if (name === 'value') node.value = value;
    else if (name in node && typeof value === 'boolean') node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false));
  return node;
}

export const info = {model: null, instruction: '', max_candidates: 1000, max_pixels: 1003520};

/** JSON of this gateway, or the fallback where none comes. */
export const json = (path, fallback) => fetch(path).then(response => response.json()).catch(() => fallback);

/** Text whose parts in backticks are code. */
export const rich = text => text.split('`').map((part, i) => i % 2 ? el('code', {}, part) : part);

export function tell(text) {
  document.getElementById('said').textContent = text;
}

/** An error in the words of the gateway, which are English. */
export const refusal = (body, response) =>
  Object.assign(new Error(body?.error?.message ?? `${response.status} ${response.statusText}`), {lang: 'en'});

/** A list in, its answer and the stages of its latency in milliseconds out. */
export async function rerank(list) {
  const response = await fetch('/api/lists', {
    method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(list),
  }).catch(() => { throw new Error(say('gone')); });
  const body = await response.json().catch(() => null);
  if (!response.ok) throw refusal(body, response);
  const stages = {};
  for (const [, name, ms] of (response.headers.get('Server-Timing') ?? '').matchAll(/(\w+);dur=([\d.]+)/g)) {
    stages[name] = Number(ms);
  }
  if (body.model?.name) info.model = body.model.name;
  return {...body, stages};
}

export const requestId = () => `console-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`;

export const band = score => score == null ? 'none' : score >= 0.75 ? 'strong' : score >= 0.55 ? 'medium' : 'weak';

export const bandChip = score => el('span', {class: `chip ${band(score)}`}, say(band(score)));

/** Score, bar and band. rank: shown too, if any */
export function scoreBar(score, rank) {
  const fill = el('span', {class: `fill ${band(score)}`});
  fill.style.width = `${(score ?? 0) * 100}%`;
  return el('span', {class: 'score'}, el('b', {}, score == null ? '–' : score.toFixed(3)),
    el('span', {class: 'bar', 'aria-hidden': 'true'}, fill), bandChip(score), rank && el('small', {}, `#${rank}`));
}

/** Stages of a latency as one bar with a legend. */
export function latencyBar(stages) {
  const names = ['source', 'encode', 'queue', 'score', 'gateway'].filter(name => stages[name] > 0);
  const total = names.reduce((sum, name) => sum + stages[name], 0);
  const word = name => say(name === 'score' ? 'scoring' : name);
  const bar = el('div', {class: 'stages', 'aria-hidden': 'true'}, names.map(name => {
    const part = el('span', {class: `stage ${name}`, title: `${word(name)} ${stages[name].toFixed(1)} ms`});
    part.style.flexGrow = stages[name] / total;
    return part;
  }));
  const legend = el('ul', {class: 'legend'}, names.map(name => el('li', {},
    el('span', {class: `dot ${name}`, 'aria-hidden': 'true'}), `${word(name)} `,
    el('b', {}, `${stages[name].toFixed(1)} ms`))),
  el('li', {}, `${say('total')} `, el('b', {}, `${total.toFixed(1)} ms`)));
  return el('section', {class: 'card latency'}, el('h2', {}, say('latency')), bar, legend);
}

export const problem = error => el('div', {class: 'problem', role: 'alert'}, el('b', {}, say('failed')), ' ', el('span', {lang: error.lang}, error.message));

/** Text area with the instruction and the presets behind a select. */
export function instructionField(label, value, change) {
  const area = el('textarea', {rows: 2, 'aria-label': label, value, oninput: () => change(area.value)});
  const select = el('select', {'aria-label': `${label}: ${say('presets')}`, onchange: () => {
    if (select.value) {
      area.value = select.value;
      change(area.value);
    }
  }}, el('option', {value: ''}, `${say('presets')}…`),
    presets.map(([text, en, zh]) => el('option', {value: text}, chinese() ? zh : en)));
  return el('div', {class: 'field'}, el('div', {class: 'row'}, el('span', {class: 'label'}, label), select), area);
}

/** Runs an action with its button out of order meanwhile. */
export async function busy(button, action) {
  const label = button.textContent;
  const focused = document.activeElement;
  button.disabled = true;
  button.textContent = say('working');
  try {
    return await action();
  } finally {
    button.disabled = false;
    button.textContent = label;
    focused?.focus({preventScroll: true}); // a button out of order loses it
  }
}

/** Brings results into view, below what stays in place above. */
export function reveal(node) {
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
  node.scrollIntoView({block: 'start', behavior: calm ? 'auto' : 'smooth'});
}

/** Names the input that results were made of, pictures by their length and end. */
export const made = input => JSON.stringify(input, (key, value) =>
  typeof value === 'string' && value.length > 4096 ? `${value.length}${value.slice(-64)}` : value);

/** Runs on Ctrl+Enter, and marks results as stale while the input is another than theirs. */
export function follows(root, button, result, isStale) {
  root.addEventListener('keydown', event => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !button.disabled) {
      event.preventDefault();
      button.click();
    }
  });
  const look = () => result.classList.toggle('stale', isStale());
  for (const event of ['input', 'change']) root.addEventListener(event, look);
  new MutationObserver(look).observe(root, {childList: true, subtree: true});
}

export const staleNote = () => el('p', {class: 'stale-note', role: 'status'}, say('stale'));

export function save(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], {type}));
  el('a', {href: url, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** A cell of a spreadsheet: quoted, and no formula. */
export function csvCell(value) {
  const text = String(value ?? '');
  const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

export const markdownCell = value => String(value ?? '')
  .replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  .replace(/[\\|`*_[\]~!#]/g, '\\$&').replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, ' ');
