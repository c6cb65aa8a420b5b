import {chinese, say, switchLanguage} from '/words.js';
import {el, info, json} from '/parts.js';
import {single} from '/single.js';
import {batch} from '/batch.js';
import {live} from '/live.js';

const pages = {single, batch, live};
const main = document.getElementById('main');
let leave = null;
let showing = 0;

const dark = () => (localStorage.getItem('theme') ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';

function frame(page) {
  document.documentElement.lang = chinese() ? 'zh-CN' : 'en';
  document.documentElement.dataset.theme = dark() ? 'dark' : 'light';
  document.title = `${say(page)} · lychee-rerank`;
  document.getElementById('skip').textContent = say('skip');
  document.getElementById('foot').textContent = say('foot');
  const nav = document.getElementById('nav');
  nav.setAttribute('aria-label', say('pages'));
  nav.replaceChildren(...Object.keys(pages).map(name => el('a', {href: `#${name}`, 'aria-current': name === page ? 'page' : null}, say(name))));
  document.getElementById('tools').replaceChildren(el('span', {id: 'health', class: 'health'}),
    el('button', {class: 'tool', lang: chinese() ? 'en' : 'zh-CN', onclick: () => { switchLanguage(); render(); }}, say('language')),
    el('button', {class: 'tool', 'aria-label': say('theme'), title: say('theme'), onclick: () => {
      localStorage.setItem('theme', dark() ? 'light' : 'dark');
      frame(page);
      health();
    }}, dark() ? '☀' : '☾'));
}

async function render() {
  const page = location.hash.slice(1) in pages ? location.hash.slice(1) : 'batch';
  const mine = ++showing;
  leave?.();
  leave = null;
  frame(page);
  health();
  const root = el('div', {class: `page ${page}`});
  main.replaceChildren(root);
  const left = await pages[page](root, name => { location.hash = name; });
  if (mine === showing) leave = left ?? null;
  else left?.();
}

/** Shows the loaded model, or how far the start has come. */
async function health() {
  const place = document.getElementById('health');
  const state = await json('/health/ready', {status: 'lost', phase: 'lost'});
  const ready = state.status === 'ready';
  if (state.model) info.model = state.model;
  place.className = `health ${ready ? 'fine' : 'wait'}`;
  place.replaceChildren(ready ? state.model ?? say('ready') : say('notReady', {phase: say(state.phase)}),
    !ready && state.detail ? el('span', {lang: 'en'}, state.detail) : '');
  if (!ready) setTimeout(health, 1000);
}

/** Asks for the API key until the gateway takes one; a cookie of the browser session keeps it. */
async function askKey(wrong) {
  frame('keyTitle');
  ['nav', 'tools'].forEach(id => document.getElementById(id).replaceChildren()); // nothing to go to yet
  const input = el('input', {id: 'key', type: 'password', autocomplete: 'current-password', required: true});
  const given = new Promise(resolve => {
    main.replaceChildren(el('form', {class: 'page key', onsubmit: event => { event.preventDefault(); resolve(input.value); }},
      el('h1', {}, say('keyTitle')), el('div', {class: 'field'}, el('label', {class: 'label', for: 'key'}, say('keyAsk')), input),
      wrong && el('p', {role: 'alert', class: 'problem'}, say('keyWrong')), el('button', {class: 'button'}, say('keyGo'))));
  });
  input.focus();
  const secure = location.protocol === 'https:' ? '; Secure' : '';
  document.cookie = `lychee-key=${encodeURIComponent(await given)}; path=/; SameSite=Strict${secure}`;
}

/** What the gateway tells of itself, once it knows the key. */
async function meet() {
  for (let asked = false; ; asked = true) {
    const response = await fetch('/api/info').catch(() => null);
    if (response?.status !== 401) return response?.json().catch(() => ({}));
    await askKey(asked);
  }
}

Object.assign(info, await meet());
addEventListener('hashchange', render);
await render();
