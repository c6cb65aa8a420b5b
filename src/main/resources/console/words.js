// Every sentence of the console, in both languages.
const words = {
  single: ['Single', '单条'], batch: ['Batch', '批量'], live: ['Live', '实时'],
  skip: ['Skip to content', '跳到正文'], theme: ['Switch light and dark', '切换明暗'], pages: ['Pages', '页面'],
  language: ['中文', 'English'],
  million: ['over a million', '超过百万'],
  // the names of the contract: as they are in English
  COMPLETE: ['COMPLETE', '完整'], PARTIAL: ['PARTIAL', '部分'], UNSCORED: ['UNSCORED', '未打分'],
  realtime: ['realtime', '实时'], backfill: ['backfill', '回填'],
  TOP_N: ['TOP_N', '超出保留数'], BELOW_THRESHOLD: ['BELOW_THRESHOLD', '低于阈值'], EMPTY: ['EMPTY', '空'],
  TOO_MANY_IMAGES: ['TOO_MANY_IMAGES', '图片过多'], IMAGE_NOT_FOUND: ['IMAGE_NOT_FOUND', '找不到图片'],
  IMAGE_FORBIDDEN: ['IMAGE_FORBIDDEN', '不允许的图片'], IMAGE_UNREADABLE: ['IMAGE_UNREADABLE', '图片无法读取'],
  IMAGE_TOO_LARGE: ['IMAGE_TOO_LARGE', '图片过大'], OVER_BUDGET: ['OVER_BUDGET', '超出长度'], OUT_OF_MEMORY: ['OUT_OF_MEMORY', '显存不足'],
  NOT_A_NUMBER: ['NOT_A_NUMBER', '不是数字'], DEADLINE: ['DEADLINE', '超时'], QUERY_EMPTY: ['QUERY_EMPTY', '查询为空'],
  QUERY_IMAGE: ['QUERY_IMAGE', '查询图片有误'], idle: ['No list in the last minute.', '最近一分钟没有列表。'],
  visual: ['visual', '外观'], style: ['style', '风格'], scenario: ['scenario', '场景'], function: ['function', '功能'],
  rerankAll: ['Rerank all {count} lists', '重排全部 {count} 个列表'], lists: ['Lists', '列表'], list: ['List', '列表'], best: ['Best score', '最高分'],
  progressAll: ['{done} of {count} lists, {rate} a second, {left} s left', '{count} 个列表已完成 {done} 个，每秒 {rate} 个，剩余 {left} 秒'],
  doneAll: ['{count} lists reranked, {failed} failed', '已重排 {count} 个列表，{failed} 个失败'], downloadAll: ['Download all', '全部下载'],
  ndcgBefore: ['nDCG@10 before', '之前 nDCG@10'], ndcgAfter: ['nDCG@10 after', '之后 nDCG@10'], meanOf: ['Mean of {count} lists with labels', '{count} 个有标注列表的均值'],
  leftLines: ['Left out, because they are no JSON of a list or document: lines {lines}.', '以下行不是列表或文档的 JSON，未载入：{lines}。'],
  stale: ['The input has changed since. Run again to see what it makes of it.', '输入已更改，请重新运行以查看结果。'],
  enlarge: ['Enlarge', '放大'], close: ['Close', '关闭'], showAll: ['Show all {count}', '显示全部 {count} 条'], fewer: ['Show fewer', '收起'],
  firstScore: ['First: score', '第一：分数'], secondScore: ['Second: score', '第二：分数'], secondMoved: ['Second: moved', '第二：移动'],
  firstBand: ['First: band', '第一：档位'], secondBand: ['Second: band', '第二：档位'], firstMoved: ['First: moved', '第一：移动'],
  keyTitle: ['API key', 'API 密钥'], keyAsk: ['This gateway asks for a key.', '此网关需要密钥。'],
  keyWrong: ['That key is not known here.', '此处没有这个密钥。'], keyGo: ['Continue', '继续'],
  singleLead: ['How well does this document answer this query — and why?', '这个文档在多大程度上回答了这个查询？为什么？'],
  batchLead: ['Paste what your retriever found, and see the order that reading it would give.', '粘贴检索结果，看模型读过之后会怎样排序。'],
  liveLead: ['Lists that pass through the topics right now.', '此刻正在通过主题的列表。'],
  query: ['Query', '查询'], document: ['Document', '文档'], documents: ['Documents', '文档'], text: ['Text', '文本'],
  queryHint: ['What somebody is looking for', '用户在找什么'], documentHint: ['What might answer it', '可能的答案'],
  documentsHint: ['One document a line, best first', '每行一个文档，按检索顺序'],
  addPictures: ['Add pictures', '添加图片'], remove: ['Remove', '移除'], removeAll: ['Remove all', '全部移除'],
  dropHere: ['or drop or paste them here', '或拖放、粘贴到这里'],
  dropFile: ['Open a file', '打开文件'], dropFileHint: ['JSON lines, a text file, or pictures; dropping works too', 'JSON Lines、文本文件或图片，也可拖放'],
  instruction: ['Instruction', '指令'], presets: ['Presets', '预设'],
  compare: ['Compare with a second instruction', '与第二条指令比较'], second: ['Second instruction', '第二条指令'],
  topN: ['Keep the first', '保留前'], all: ['all', '全部'],
  score: ['Score', '打分'], rerank: ['Rerank', '重排'], working: ['Working…', '处理中…'], why: ['Why?', '为什么？'],
  strong: ['strong', '强'], medium: ['medium', '中'], weak: ['weak', '弱'], none: ['no score', '无分数'],
  strongSays: ['Strong: may go to the top.', '强：可以排到最前。'],
  mediumSays: ['Medium: combine it with what else you know, such as sales or reviews.', '中：结合销量、评价等信息。'],
  weakSays: ['Weak: hardly answers the query.', '弱：几乎没有回答查询。'],
  whyLead: ['Each part is left out once and the rest is scored again, all in one list. What lowers the score when it is missing speaks for the document. Odds say how many times likelier “yes” is with the part than without it.', '逐一去掉每个部分再打分（同一个列表）。去掉后分数下降的部分，就是支持该文档的依据。胜率比表示有该部分时“是”的几率是没有时的几倍。'],
  whyNothing: ['There is nothing to leave out: add a second word, or a picture.', '没有可去掉的部分：请添加更多文字或一张图片。'],
  part: ['Part', '部分'], without: ['Score without it', '去掉后的分数'], effect: ['Effect', '影响'],
  region: ['Region', '区域'], speaksFor: ['speaks for', '支持'], speaksAgainst: ['speaks against', '反对'],
  before: ['Before', '之前'], after: ['After', '之后'], note: ['Note', '备注'], moved: ['Moved', '移动'], band: ['Band', '档位'],
  rank: ['Rank', '名次'], leftOut: ['left out', '未保留'],
  longText: ['longer than 512 characters', '超过 512 个字符'], truncated: ['cut to fit', '已截断'], rule: ['rule', '规则'],
  rejected: ['rejected', '被拒绝'], notScored: ['not scored', '未打分'],
  export: ['Export', '导出'], latency: ['Where the time went', '耗时分布'],
  source: ['source', '读取'], encode: ['encode', '编码'], queue: ['queue', '排队'], gateway: ['gateway', '网关'],
  scoring: ['score', '打分'], scoreColumn: ['Score', '分数'], latencyColumn: ['Latency', '延迟'], total: ['in all', '总计'],
  scenes: ['Scenes to try', '试试这些场景'], scenesOwn: ['Bring your own', '自带数据'],
  sceneFigures: ['A question against figures with captions', '用问题找带说明的图表'],
  sceneExercise: ['A handwritten exercise against video titles', '手写习题匹配讲解视频'],
  sceneBoard: ['A board with a circled spot against known defects', '圈出问题的电路板匹配已知缺陷'],
  sceneOutfit: ['An outfit photo with a budget in words', '穿搭照片加预算描述'],
  sceneGo: ['The instruction is set. Add your query and documents, then rerank.', '指令已设置。请添加查询和文档，然后重排。'],
  honestDemo: ['Loaded: the demo network, a small one trained for the demo shop. It can rank the shop scenes; figures, handwriting and boards need the published Lychee-rerank-mm.', '已加载演示网络：为演示商店训练的小模型，能排好商店场景；图表、手写和电路板需要发布版 Lychee-rerank-mm。'],
  honestOther: ['Loaded: {model}. How good its scores are is for you to judge; nothing here was tuned to it.', '已加载 {model}。分数质量请自行判断，这里没有为它做任何调整。'],
  honestUnknown: ['The job behind these topics says which network it has with its first answer.', '主题背后的作业会在第一次回答时说明使用的网络。'],
  notReady: ['Not ready: {phase}', '尚未就绪：{phase}'], ready: ['ready', '就绪'],
  needBoth: ['A query and at least one document are needed.', '需要查询和至少一个文档。'],
  refusedFile: ['{name} is not taken: JPEG, PNG, WebP and GIF are.', '不接受 {name}：支持 JPEG、PNG、WebP、GIF。'],
  unreadable: ['{name} can’t be read.', '无法读取 {name}。'],
  emptyFolder: ['{name} holds no files.', '{name} 中没有文件。'],
  tooMany: ['{count} documents; at most {max} are taken.', '{count} 个文档，最多 {max} 个。'],
  badFile: ['{name} holds no list and no documents.', '{name} 中没有列表或文档。'],
  loadedLists: ['{count} lists in {name}', '{name} 中有 {count} 个列表'], chooseList: ['List', '列表'],
  failed: ['It did not work', '未成功'], done: ['{count} documents reranked in {ms} ms', '{count} 个文档，用时 {ms} 毫秒'],
  status: ['Status', '状态'], rate: ['Lists a second', '每秒列表'], inFlight: ['In flight', '进行中'],
  p50: ['Median latency', '中位延迟'], p95: ['95th percentile', '95 分位延迟'], cacheHits: ['Cache hits', '缓存命中'], deviceUse: ['Device busy', '设备占用'],
  dead: ['Dead letters', '死信'], lane: ['Lane', '通道'], candidates: ['Candidates', '候选'],
  when: ['When', '时间'], waitingLive: ['Listening. Lists appear here as they pass.', '正在监听，列表经过时会显示在这里。'],
  lost: ['The connection is lost; trying again.', '连接断开，正在重试。'], sendScenes: ['Send the demo lists through', '发送演示列表'],
  opened: ['{id} as it passed', '{id} 的记录'], picture: ['picture', '图片'], elsewhere: ['picture elsewhere', '外部图片'],
  foot: ['Scores are the probability of “yes” against “no”, in [0, 1]. A reranker needs candidates: it is no search engine, and odd queries without consensus need a human.', '分数是“是”相对“否”的概率，范围 [0, 1]。重排器需要候选：它不是搜索引擎，没有共识的查询需要人来判断。'],
  odds: ['Odds', '胜率比'], noEffect: ['no effect', '无影响'], moreScenes: ['All {count} lists of the demo…', '全部 {count} 个演示列表…'],
  known: ['● known to answer the query  ◐ nearly  · not', '● 已知符合查询  ◐ 接近  · 不符合'],
  lastMinute: ['last minute', '最近一分钟'],
};

export const presets = [
  ['Given a web search query, retrieve relevant passages that answer the query.', 'web search', '网页搜索'],
  ['Given a product image and description, retrieve similar products', 'product images', '商品图片'],
  ["Given an e-commerce search query, rank product titles by their relevance to the user's need.", 'shop titles', '商品标题'],
  ['Given a question, retrieve factual passages that answer it', 'facts', '事实问答'],
  ['Given a scientific question, retrieve the figure or table that contains the exact quantitative result', 'scientific figures', '科学图表'],
  ['Given a photo of an exercise, retrieve the video that explains how to solve it', 'education', '教育'],
  ['Given a photo of a board with a marked spot, retrieve the known defect most like it', 'inspection', '质检'],
];

let index = (localStorage.getItem('language') ?? navigator.language).startsWith('zh') ? 1 : 0;

export const chinese = () => index === 1;

export function switchLanguage() {
  index = 1 - index;
  localStorage.setItem('language', index ? 'zh' : 'en');
}

export function say(key, values = {}) {
  const text = words[key]?.[index] ?? key;
  return text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}
