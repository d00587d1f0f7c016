// Every sentence of the page, in English and Chinese.

const dictionaries = {
  en: {
    otherLanguage: '中文',
    switchLanguage: '切换到中文',
    placeholder: 'Search pictures by words',
    searchLabel: 'Search pictures by words, in English or Chinese',
    hint: 'In English or Chinese. Or drop, paste or choose a picture to find similar ones.',
    choosePicture: 'Search by a picture',
    dropHere: 'Drop the picture to find similar ones',
    similarTo: 'Similar to this picture',
    clear: 'Clear the search',
    demo: 'demo model: knows only drawn scenes',
    indexed: (count) => `${number(count)} ${count === 1 ? 'picture' : 'pictures'} indexed`,
    searching: 'Searching…',
    summary: (count, tookMs, model) => `Best ${count === 1 ? 'match' : `${number(count)} matches`} · ${number(tookMs)} ms · ${model}`,
    summaryTitle: (version) => `Table version ${version}. A higher score is a closer match.`,
    score: (score) => `score ${score}`,
    results: 'Pictures found',
    similar: 'Similar',
    moreLikeThis: 'More like this',
    more: 'Load more',
    nothing: 'Nothing found',
    nothingDetail: 'Try other words, or search by a picture.',
    empty: 'No pictures are indexed yet',
    emptyDetail: 'Pictures put into the bucket can be found here once they are processed.',
    unreachable: 'The server does not answer',
    unreachableDetail: 'Check the connection, then try again.',
    failed: 'The search failed',
    badAnswer: (status) => `The server answered with status ${status}.`,
    notPicture: 'This is not a picture',
    notPictureDetail: (name) => `The file “${name}” is not an image.`,
    retry: 'Try again',
    keyNeeded: 'An API key is needed',
    keyNeededDetail: 'It is kept in this tab only, until the tab is closed.',
    keyRefused: 'This API key was not accepted',
    keyLabel: 'API key',
    keySubmit: 'Continue',
    previous: 'Previous picture',
    next: 'Next picture',
    close: 'Close',
    openOriginal: 'Open original',
    originalMissing: 'The original cannot be shown here.',
    bucket: 'Bucket',
    size: 'Size',
    takenAt: 'Taken',
    scoreLabel: 'Score',
    model: 'Model',
  },
  zh: {
    otherLanguage: 'English',
    switchLanguage: 'Switch to English',
    placeholder: '输入文字搜索图片',
    searchLabel: '输入中文或英文搜索图片',
    hint: '支持中文和英文。也可以拖放、粘贴或选择一张图片，查找相似图片。',
    choosePicture: '以图搜图',
    dropHere: '松开鼠标，查找相似图片',
    similarTo: '与此图相似',
    clear: '清除搜索',
    demo: '演示模型：只认识绘制的场景',
    indexed: (count) => `已收录 ${number(count)} 张图片`,
    searching: '正在搜索…',
    summary: (count, tookMs, model) => `最匹配的 ${number(count)} 张图片 · ${number(tookMs)} 毫秒 · ${model}`,
    summaryTitle: (version) => `数据表版本 ${version}。分数越高越匹配。`,
    score: (score) => `分数 ${score}`,
    results: '搜索结果',
    similar: '相似',
    moreLikeThis: '查找相似图片',
    more: '加载更多',
    nothing: '没有找到图片',
    nothingDetail: '换个说法试试，或者以图搜图。',
    empty: '还没有收录图片',
    emptyDetail: '放入存储桶的图片处理完成后，就能在这里搜到。',
    unreachable: '服务器没有响应',
    unreachableDetail: '请检查网络连接后重试。',
    failed: '搜索失败',
    badAnswer: (status) => `服务器返回状态码 ${status}。`,
    notPicture: '这不是图片',
    notPictureDetail: (name) => `文件“${name}”不是图片。`,
    retry: '重试',
    keyNeeded: '需要 API 密钥',
    keyNeededDetail: '密钥只保存在当前标签页，关闭后即清除。',
    keyRefused: 'API 密钥无效',
    keyLabel: 'API 密钥',
    keySubmit: '继续',
    previous: '上一张',
    next: '下一张',
    close: '关闭',
    openOriginal: '打开原图',
    originalMissing: '原图无法在此显示。',
    bucket: '存储桶',
    size: '尺寸',
    takenAt: '拍摄时间',
    scoreLabel: '分数',
    model: '模型',
  },
};

const STORED_LANGUAGE = 'bucketlens.language';
const chosen = localStorage.getItem(STORED_LANGUAGE) ?? navigator.language;
let language = chosen.startsWith('zh') ? 'zh' : 'en';

const number = (value) => new Intl.NumberFormat(language).format(value);

/** The sentence called `name` in the current language. */
export function say(name, ...values) {
  const entry = dictionaries[language][name];
  return typeof entry === 'function' ? entry(...values) : entry;
}

/**
 * A date and time as the server has it, in UTC. Most cameras write no time zone and their clock is read as UTC:
 * shifting it to the reader's zone would make it wrong.
 */
export function instant(text) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return String(text);
  return `${new Intl.DateTimeFormat(language, { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' }).format(date)} UTC`;
}

/** Fills every element under `root` that names its words: text by data-words, accessible name by data-label. */
export function translate(root) {
  for (const element of root.querySelectorAll('[data-words]')) element.textContent = say(element.dataset.words);
  for (const element of root.querySelectorAll('[data-label]')) {
    element.setAttribute('aria-label', say(element.dataset.label));
    if (element.matches('button')) element.title = say(element.dataset.label);
  }
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
}

export function switchLanguage() {
  language = language === 'zh' ? 'en' : 'zh';
  localStorage.setItem(STORED_LANGUAGE, language);
}
