// Clients that know nothing of us, against a running gateway. ClientsTest starts it and runs this.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {join} from 'node:path';
import {test} from 'node:test';
import {createCohere} from '@ai-sdk/cohere';
import {CohereRerank} from '@langchain/cohere';
import {rerank} from 'ai';
import {CohereClientV2, CohereError} from 'cohere-ai';

/** Where the gateway is, and the demo's folder. */
const {url, demo} = JSON.parse(process.env.LYCHEE_TEST);
const lists = readFileSync(join(demo, 'lists.jsonl'), 'utf8').trim().split('\n').map(line => JSON.parse(line));
const ofMode = mode => lists.filter(list => list.attributes.mode === mode).slice(0, 8);
const picture = reference => readFileSync(join(demo, reference.slice('file:'.length))).toString('base64');
const media = reference => `image/${reference.endsWith('.png') ? 'png' : 'jpeg'}`;

/** Sorted, each document at most once, and better than the retriever had it. */
function judge(list, order) {
  assert.equal(new Set(order.map(one => one.index)).size, order.length);
  assert.deepEqual(order.map(one => one.score), order.map(one => one.score).sort((a, b) => b - a));
  const relevance = order.slice(0, 5).map(one => list.candidates[one.index].relevance);
  const before = list.candidates.slice(0, 5).map(one => one.relevance);
  const sum = numbers => numbers.reduce((a, b) => a + b, 0);
  return [sum(relevance), sum(before)];
}

async function better(modes, rerank) {
  for (const mode of modes) {
    const sums = [0, 0];
    for (const list of ofMode(mode)) {
      const [after, before] = judge(list, await rerank(list));
      sums[0] += after;
      sums[1] += before;
    }
    assert.ok(sums[0] > 1.5 * sums[1] && sums[1] > 0, `${mode}: relevance of the first five ${sums[1]}, then ${sums[0]}`);
  }
}

async function post(path, body) {
  const response = await fetch(url + path, {
    method: 'POST', headers: {'Content-Type': 'application/json', Authorization: 'Bearer anything'}, body: JSON.stringify(body)});
  const told = await response.json();
  assert.equal(response.status, 200, JSON.stringify(told));
  return told;
}

test('the cohere-ai client', async () => {
  const cohere = new CohereClientV2({token: 'anything', environment: url, timeoutInSeconds: 240});
  await better(['text-text'], async list => {
    const documents = list.candidates.map(one => one.text);
    const response = await cohere.rerank({model: 'rerank-v4.0-pro', query: list.query.text, documents, topN: 10});
    assert.equal(response.results.length, 10);
    assert.ok(response.id);
    assert.equal(response.meta.apiVersion.version, '2');
    return response.results.map(one => ({index: one.index, score: one.relevanceScore}));
  });
  await assert.rejects(cohere.rerank({model: 'm', query: 'a', documents: []}),
    error => error instanceof CohereError && error.statusCode === 400 && error.body.message.includes('documents'));
});

test("Vercel's AI SDK", async () => {
  const cohere = createCohere({apiKey: 'anything', baseURL: `${url}/v2`});
  await better(['text-text'], async list => {
    const documents = list.candidates.map(one => one.text);
    const {ranking} = await rerank({model: cohere.reranking('lychee'), query: list.query.text, documents, topN: 10});
    assert.equal(ranking.length, 10);
    assert.ok(ranking.every(one => one.document === documents[one.originalIndex]));
    return ranking.map(one => ({index: one.originalIndex, score: one.score}));
  });
});

test("LangChain.js's CohereRerank", async () => {
  // its own version of Cohere's client, which is not the one that is tested above
  const {CohereClient} = createRequire(createRequire(import.meta.url).resolve('@langchain/cohere'))('cohere-ai');
  const compressor = new CohereRerank({model: 'lychee', topN: 10, client: new CohereClient({token: 'anything', environment: url})});
  await better(['text-text'], async list => {
    const documents = list.candidates.map((one, index) => ({pageContent: one.text, metadata: {index}}));
    const kept = await compressor.compressDocuments(documents, list.query.text);
    assert.equal(kept.length, 10);
    return kept.map(one => ({index: one.metadata.index, score: one.metadata.relevanceScore}));
  });
});

test('content parts, as vLLM takes them', async () => {
  const parts = content => ({content: [
    ...content.images.map(image => ({type: 'image_url', image_url: {url: `data:${media(image)};base64,${picture(image)}`}})),
    ...content.text ? [{type: 'text', text: content.text}] : []]});
  let tokens = 0;
  await better(['text-text', 'text-image', 'image-image'], async list => {
    const told = await post('/v1/rerank', {model: 'Qwen/Qwen3-VL-Reranker-8B', query: parts(list.query),
      documents: list.candidates.map(parts), top_n: 0, truncate_prompt_tokens: -1, request_id: list.request_id});
    assert.equal(told.id, list.request_id);
    tokens += told.usage.total_tokens; // none for a list whose scores were kept
    assert.equal(told.results.length, list.candidates.length);
    return told.results.map(one => ({index: one.index, score: one.relevance_score}));
  });
  assert.ok(tokens > 0);
});

test('texts and pictures, as Jina takes them', async () => {
  const plain = content => content.images.length ? {image: picture(content.images[0])} : {text: content.text};
  await better(['text-text', 'text-image', 'image-text'], async list => {
    const told = await post('/v1/rerank', {model: 'jina-reranker-m0', query: list.query.images.length ? plain(list.query) : list.query.text,
      documents: list.candidates.map(plain), top_n: 10, return_documents: false});
    assert.equal(told.object, 'list');
    assert.equal(told.results.length, 10);
    assert.ok(told.results.every(one => !('document' in one)));
    return told.results.map(one => ({index: one.index, score: one.relevance_score}));
  });
});
