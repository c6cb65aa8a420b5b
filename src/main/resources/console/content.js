import {say} from '/words.js';
import {el, info} from '/parts.js';

const MAGIC = [[0xff, 0xd8, 0xff], [0x89, 0x50, 0x4e, 0x47], [0x47, 0x49, 0x46, 0x38], [0x52, 0x49, 0x46, 0x46]];
const KEPT_BYTES = 700 * 1024;

/** Why the gateway gives no picture, by the status of its answer. */
const REFUSED = {403: 'IMAGE_FORBIDDEN', 404: 'IMAGE_NOT_FOUND', 413: 'IMAGE_TOO_LARGE'};

/** Where a browser finds a picture of a list; null for those elsewhere, which this page may not load. */
export function shown(reference) {
  if (reference.startsWith('data:image/') && !reference.startsWith('data:image/svg')) return reference;
  return reference.startsWith('file:') ? `/api/pictures/${encodeURIComponent(reference)}` : null;
}

/** A small picture, whole; where there is none to show, a sign with the reason. refused: told the reason in full, as nodes */
export function thumbnail(reference, name = '', refused = () => {}, source = shown(reference)) {
  const small = el('span', {class: 'thumb'});
  const refuse = (...reason) => {
    small.classList.add('broken');
    small.title = reason[0];
    small.replaceChildren(el('span', {role: 'img', 'aria-label': small.title}, '⚠'));
    refused(reason);
  };
  if (source) {
    small.append(el('img', {src: source, alt: name || say('picture'), loading: 'lazy', onerror: async () => {
      const answer = source.startsWith('data:') ? null : await fetch(source).catch(() => null);
      const told = answer?.ok === false ? await answer.json().catch(() => null) : null;
      refuse(say(REFUSED[answer?.status] ?? 'IMAGE_UNREADABLE'), ...told?.error ? [el('span', {lang: 'en'}, told.error.message)] : []);
    }}));
  } else {
    refuse(say('elsewhere'), /^https?:/.test(reference)
      ? el('a', {href: reference, target: '_blank', rel: 'noreferrer noopener'}, reference) : el('span', {lang: 'en'}, reference.slice(0, 200)));
  }
  return small;
}

/** A thumbnail that shows its picture large when it is pressed, or why there is none. */
export function zoomable(reference, name = '') {
  let reason;
  const alt = name || say('picture');
  return el('button', {class: 'zoom', type: 'button', 'aria-label': `${say('enlarge')} ${alt}`, onclick: event => {
    event.stopPropagation();
    const large = el('dialog', {class: 'large', 'aria-label': alt, onclick: () => large.close(), onclose: () => large.remove()},
      reason ? el('p', {}, reason.flatMap((part, i) => i ? [' · ', part] : [part])) : el('img', {src: shown(reference), alt}), el('button', {class: 'button tiny quiet'}, say('close')));
    document.body.append(large);
    large.showModal();
  }}, thumbnail(reference, name, told => { reason = told; }));
}

/** A thumbnail with a cross that takes its picture away. */
export const held = (reference, name, remove) => el('span', {class: 'held'}, zoomable(reference, name),
  el('button', {class: 'x', type: 'button', 'aria-label': `${say('remove')} ${name}`, onclick: remove}, '×'));

/** What a browser says of a file it can't read names none, and knows one language. */
export const orSay = (name, reading) => reading.catch(() => { throw new Error(say('unreadable', {name})); });

/** A file as a data URI, no larger than the network will look at. Markup is no picture. */
export async function readPicture(file) {
  const head = new Uint8Array(await orSay(file.name, file.slice(0, 8).arrayBuffer()));
  if (!MAGIC.some(magic => magic.every((byte, i) => head[i] === byte))) {
    throw new Error(say('refusedFile', {name: file.name || file.type}));
  }
  if (file.size <= KEPT_BYTES) return dataUri(file);
  const canvas = draw(await createImageBitmap(file), info.max_pixels);
  return canvas.toDataURL('image/jpeg', 0.92);
}

function dataUri(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

export function draw(bitmap, pixels) {
  const scale = Math.min(1, Math.sqrt(pixels / (bitmap.width * bitmap.height)));
  const canvas = el('canvas', {width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale)});
  canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** Loaded as a picture, which the page's policy allows from more places than a request. */
export async function bitmap(reference) {
  const image = new Image();
  image.src = shown(reference);
  await image.decode();
  return createImageBitmap(image);
}

/** The files, and those in the folders, by name. Entries must be asked for before the event is over. */
async function dropped(transfer) {
  // what is gone has no entry, but a name
  const entries = [...transfer.items].filter(item => item.kind === 'file').map(item => item.webkitGetAsEntry() ?? item.getAsFile());
  const files = (await Promise.all(entries.map(filesOf))).flat();
  if (entries.length && !files.length) throw new Error(say('emptyFolder', {name: entries[0].name}));
  return files;
}

async function filesOf(entry) {
  if (entry instanceof File) return [entry];
  if (entry.isFile) return [await orSay(entry.name, new Promise((resolve, reject) => entry.file(resolve, reject)))];
  const reader = entry.createReader();
  const found = [];
  for (let some = null; some?.length !== 0 && found.length <= info.max_candidates; found.push(...some)) {
    some = await orSay(entry.name, new Promise((resolve, reject) => reader.readEntries(resolve, reject))); // a hundred at a time
  }
  found.sort((a, b) => a.name.localeCompare(b.name));
  return (await Promise.all(found.map(filesOf))).flat();
}

/** Makes a place where files can be dropped or pasted; refuse is told what could not be read. */
export function takesFiles(node, take, refuse) {
  node.addEventListener('dragover', event => {
    event.preventDefault();
    node.classList.add('over');
  });
  node.addEventListener('dragleave', () => node.classList.remove('over'));
  node.addEventListener('drop', event => {
    event.preventDefault();
    node.classList.remove('over');
    dropped(event.dataTransfer).then(files => files.length && take(files)).catch(refuse);
  });
  node.addEventListener('paste', event => {
    if (event.clipboardData.files.length) {
      event.preventDefault();
      take([...event.clipboardData.files]);
    }
  });
  return node;
}

export function fileButton(label, accept, take) {
  const input = el('input', {type: 'file', accept, multiple: true, class: 'hidden-text', 'aria-label': label, onchange: () => {
    take([...input.files]);
    input.value = '';
  }});
  return el('label', {class: 'button quiet file'}, label, input);
}

/** Text and pictures of a query or a document; changes {text, images} in place. */
export function contentField(label, hint, content, rows = 3) {
  const pictures = el('div', {class: 'thumbs'});
  const trouble = el('p', {class: 'trouble', role: 'alert'});
  const area = el('textarea', {rows, placeholder: hint, 'aria-label': `${label}: ${say('text')}`, value: content.text ?? '',
    oninput: () => { content.text = area.value; }});
  const paint = () => pictures.replaceChildren(...content.images.map((image, i) => held(image, `${say('picture')} ${i + 1}`, () => {
    content.images.splice(i, 1);
    paint();
    area.focus();
  })));
  const refuse = error => { trouble.textContent = error.message; };
  const take = async files => {
    trouble.textContent = '';
    for (const file of files) {
      try {
        content.images.push(await readPicture(file));
      } catch (error) {
        refuse(error);
      }
    }
    paint();
  };
  paint();
  return takesFiles(el('div', {class: 'field drop'}, el('span', {class: 'label'}, label), area, pictures,
    el('div', {class: 'row'}, fileButton(say('addPictures'), 'image/jpeg,image/png,image/webp,image/gif', take),
      el('span', {class: 'hint'}, say('dropHere'))), trouble), take, refuse);
}

export const plain = content => ({text: content.text || null, images: content.images});
