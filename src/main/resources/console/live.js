import {chinese, say} from '/words.js';
import {el, json, problem, refusal, requestId, rerank, tell} from '/parts.js';
import {show} from '/batch.js';
import {thumbnail} from '/content.js';

const KEPT = 200;
const SHOWN = 40;
const MINUTE = 60;
const WIDE = new Set(['when', 'lane', 'candidates']);
const BUSY_OVER_MS = 10_000;
const RETRY_MS = 5_000;
/** Outlives the page, so that another language or a look elsewhere loses nothing that was seen. */
const state = {lists: new Map(), latencies: [], statuses: {}, hits: 0, dead: 0, answers: [], asked: 0, answered: 0, busy: [], dirty: true};

/** @param go to another page */
export async function live(root, go) {
  state.dirty = true;
  state.asked = state.answered = 0; // what happened meanwhile is not known
  const figures = el('div', {class: 'figures'});
  const spark = el('div', {class: 'spark', role: 'img', 'aria-label': `${say('rate')}, ${say('lastMinute')}`});
  const idle = el('p', {class: 'hint'}, say('idle'));
  const note = el('p', {class: 'hint', role: 'status'}, say('waitingLive'));
  const body = el('tbody');
  const trouble = el('div');
  const scenes = await json('/api/scenes', []);
  const send = scenes.length > 0 && el('button', {class: 'button quiet', onclick: () => {
    send.disabled = true;
    scenes.reduce((before, list) => before.then(() => rerank({...list, request_id: requestId()})), Promise.resolve())
      .catch(error => trouble.replaceChildren(problem(error))).finally(() => { send.disabled = false; });
  }}, say('sendScenes'));
  root.append(el('h1', {}, say('live')), el('p', {class: 'lead'}, say('liveLead')), el('div', {class: 'row actions'}, send), trouble, figures,
    el('section', {class: 'card'}, el('h2', {}, `${say('rate')} · ${say('lastMinute')}`), spark, idle),
    el('section', {class: 'card'}, note, el('div', {class: 'scroll', tabindex: 0, role: 'region', 'aria-label': say('live')},
      el('table', {class: 'lists'}, el('thead', {}, el('tr', {}, ['when', 'query', 'lane', 'candidates', 'status', 'latencyColumn'].map(key => el('th', {scope: 'col', class: WIDE.has(key) ? 'wide' : ''}, say(key))))), body))));

  const entry = event => {
    const id = event.request_id;
    const before = state.lists.get(id) ?? {};
    state.lists.delete(id);
    state.lists.set(id, {...before, ...event});
    if (state.lists.size > KEPT) state.lists.delete(state.lists.keys().next().value);
    state.dirty = true;
  };
  const open = async id => {
    const response = await fetch(`/api/live/${encodeURIComponent(id)}`);
    const found = await response.json();
    if (!response.ok || !found.list) {
      trouble.replaceChildren(problem(refusal(found, response)));
      return;
    }
    show(found.list, found.answer);
    go('batch');
  };
  const settle = told => {
    if (state.lists.get(told.request_id)?.status === '…') state.answered++;
    entry(told);
  };
  const heard = {
    hello: () => {
      note.textContent = say('waitingLive');
      tell(say('waitingLive'));
    },
    asked: told => {
      state.asked++;
      entry({...told, asked: true, status: '…'});
    },
    answered: told => {
      state.answers.push(Date.now());
      if (told.latency) { // large answers come without
        state.latencies.push(told.latency.total);
        if (state.latencies.length > KEPT) state.latencies.shift();
        state.statuses[told.status] = (state.statuses[told.status] ?? 0) + 1;
        state.hits += told.usage.cache_hits;
      }
      settle({status: '–', ...told});
    },
    dead: told => {
      state.dead++;
      settle({...told, status: told.reason});
    },
  };
  let source;
  let retry;
  const listen = () => {
    source = new EventSource('/api/live');
    source.onerror = () => {
      note.textContent = say('lost');
      // after a refusal a browser tries no more by itself
      if (source.readyState === EventSource.CLOSED) retry = setTimeout(listen, RETRY_MS);
    };
    Object.entries(heard).forEach(([name, take]) => source.addEventListener(name, event => take(JSON.parse(event.data))));
  };
  listen();

  /** What the device worked, told by a gateway in the device's process, and when. */
  const lookAtDevice = async () => {
    const told = await json('/health/ready', {});
    if (told.busy_ms == null) return;
    const now = performance.now();
    state.busy = [...state.busy.filter(one => now - one.at < BUSY_OVER_MS && one.ms <= told.busy_ms), {at: now, ms: told.busy_ms}];
  };
  const deviceUse = () => {
    const [first, last] = [state.busy[0], state.busy.at(-1)];
    return state.busy.length < 2 ? '–' : `${Math.round(Math.min(1, (last.ms - first.ms) / (last.at - first.at)) * 100)} %`;
  };
  const paint = () => {
    const now = Date.now();
    state.answers = state.answers.filter(at => now - at < MINUTE * 1000);
    const recent = state.answers.filter(at => now - at < 10_000).length / 10;
    const sorted = [...state.latencies].sort((a, b) => a - b);
    const at = share => sorted.length ? `${Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] / 1000)} ms` : '–';
    const shown = [['rate', recent.toFixed(1)], ['inFlight', Math.max(0, state.asked - state.answered)], ['p50', at(0.5)], ['p95', at(0.95)],
      ['deviceUse', deviceUse()], ['cacheHits', state.hits], ['dead', state.dead],
      ...['COMPLETE', 'PARTIAL', 'UNSCORED'].filter((name, i) => !i || state.statuses[name]).map(name => [name.toLowerCase(), state.statuses[name] ?? 0])];
    figures.replaceChildren(...shown.map(([key, value]) => el('div', {class: 'figure'}, el('span', {}, say(key)), el('b', {}, String(value)))));
    const counts = Array.from({length: MINUTE}, () => 0);
    state.answers.forEach(when => counts[MINUTE - 1 - Math.min(MINUTE - 1, Math.floor((now - when) / 1000))]++);
    const most = Math.max(1, ...counts);
    spark.replaceChildren(...counts.map(count => {
      const bar = el('span', {title: String(count)});
      bar.style.height = `${count / most * 100}%`;
      return bar;
    }));
    idle.hidden = state.answers.length > 0;
    if (!state.dirty) return;
    state.dirty = false;
    const name = one => one.query || (one.pictures ? say('picture') : one.request_id);
    // kept, since the rows are made anew with each list that passes; whether a large list has one shows when it is asked for
    const picture = one => one.asked && one.pictures !== 0 && (one.picture ??= thumbnail('', name(one),
      one.pictures ? undefined : () => one.picture.remove(), `/api/live/pictures/${encodeURIComponent(one.request_id)}`));
    body.replaceChildren(...[...state.lists.values()].reverse().slice(0, SHOWN).map(one => el('tr', {},
      el('td', {class: 'number wide'}, new Date(one.timestamp).toLocaleTimeString(chinese() ? 'zh-CN' : 'en-GB')),
      el('td', {class: 'doc'}, el('div', {class: 'row'}, picture(one), el('div', {},
        one.asked ? el('button', {class: 'link', onclick: () => open(one.request_id)}, name(one)) : name(one), name(one) !== one.request_id && el('small', {class: 'id'}, one.request_id)))),
      el('td', {class: 'wide'}, say(one.lane)), el('td', {class: 'number wide'}, one.candidates ?? '–'), el('td', {class: `status ${one.status === 'COMPLETE' ? 'fine' : ''}`}, say(one.status), el('small', {lang: 'en'}, one.message ?? '')),
      el('td', {class: 'number'}, one.latency ? `${Math.round(one.latency.total / 1000)} ms` : '–'))));
  };
  paint();
  const timer = setInterval(() => lookAtDevice().then(paint), 1000);
  return () => {
    clearInterval(timer);
    clearTimeout(retry);
    source.close();
  };
}
