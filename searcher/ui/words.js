import { lasting } from "./storage.js";

const sentences = {
  otherLanguage: ["中文", "English"],
  switchLanguage: ["切换到中文", "Switch to English"],
  placeholder: ["Search pictures by words", "输入文字搜索图片"],
  searchLabel: ["Search pictures by words, in English or Chinese", "输入中文或英文搜索图片"],
  hint: [
    "In English or Chinese. Or drop, paste or choose a picture to find similar ones.",
    "支持中文和英文。也可以拖放、粘贴或选择一张图片，查找相似图片。",
  ],
  choosePicture: ["Search by a picture", "以图搜图"],
  dropHere: ["Drop the picture to find similar ones", "松开鼠标，查找相似图片"],
  similarTo: ["Similar to this picture", "与此图相似"],
  examples: ["Pictures searched by", "搜索所用的图片"],
  removeExample: ["Search without this picture", "搜索时去掉这张图片"],
  refine: ["Add words", "添加文字"],
  addToSearch: ["Search by this too", "加入搜索"],
  view_search: ["Search", "搜索"],
  view_library: ["Library", "图库"],
  view_upload: ["Upload", "上传"],
  view_operations: ["Operations", "运维"],
  views: ["Views", "视图"],
  share: ["Copy link", "复制链接"],
  linkCopied: ["Link copied", "已复制链接"],
  download: ["Download", "下载"],
  file: ["File", "文件"],
  storedAt: ["Stored", "存入时间"],
  demo: ["demo model: knows only drawn scenes", "演示模型：只认识绘制的场景"],
  indexed: ["{0} {0:picture|pictures} indexed", "已收录 {0} 张图片"],
  searching: ["Searching…", "正在搜索…"],
  summary: ["{0} best {0:match|matches} · {1} ms · {2}", "最匹配的 {0} 张图片 · {1} 毫秒 · {2}"],
  summaryTitle: [
    "Table version {0}. A higher score is a closer match.",
    "数据表版本 {0}。分数越高越匹配。",
  ],
  results: ["Pictures found", "搜索结果"],
  similar: ["Similar", "相似"],
  moreLikeThis: ["More like this", "查找相似图片"],
  more: ["Load more", "加载更多"],
  nothing: ["Nothing found", "没有找到图片"],
  nothingDetail: ["Try other words, or search by a picture.", "换个说法试试，或者以图搜图。"],
  empty: ["No pictures are indexed yet", "还没有收录图片"],
  emptyDetail: [
    "Pictures put into the bucket can be found here once they are processed.",
    "放入存储桶的图片处理完成后，就能在这里搜到。",
  ],
  unreachable: ["The server does not answer", "服务器没有响应"],
  unreachableDetail: ["Check the connection, then try again.", "请检查网络连接后重试。"],
  failed: ["The search failed", "搜索失败"],
  badAnswer: ["The server answered with status {0}.", "服务器返回状态码 {0}。"],
  notPicture: ["This is not a picture", "这不是图片"],
  notPictureDetail: ["The file “{0}” is not an image.", "文件“{0}”不是图片。"],
  retry: ["Try again", "重试"],
  keyNeeded: ["A key is needed", "需要密钥"],
  keyNeededDetail: [
    "It is kept in this tab only, until the tab is closed.",
    "密钥只保存在当前标签页，关闭后即清除。",
  ],
  keyRefused: ["This key was not accepted", "密钥无效"],
  operatorsKey: ["Operator’s key", "运维密钥"],
  keyLabel: ["API key", "API 密钥"],
  keySubmit: ["Continue", "继续"],
  previous: ["Previous picture", "上一张"],
  next: ["Next picture", "下一张"],
  close: ["Close", "关闭"],
  openOriginal: ["Open original", "打开原图"],
  originalMissing: ["The original cannot be shown here.", "原图无法在此显示。"],
  bucket: ["Bucket", "存储桶"],
  size: ["Size", "尺寸"],
  camera: ["Camera", "相机"],
  place: ["Place", "地点"],
  takenAt: ["Taken", "拍摄时间"],
  scoreLabel: ["Score", "分数"],
  summaryLatest: ["{0} matches, latest first", "{0} 张匹配的图片，最近拍摄优先"],
  model: ["Model", "模型"],
  advanced: ["Advanced", "高级"],
  keywords: ["Keywords", "关键词"],
  weights: ["What counts, and how much", "各项所占比重"],
  weight_image: ["Pictures", "画面"],
  weight_caption_vector: ["Captions", "描述"],
  weight_text: ["Words", "文字"],
  noWeights: ["Something must count: move one of them up.", "不能全部为零，请至少调高一项。"],
  reset: ["Reset", "恢复默认"],
  fusion: ["Put together by", "综合方式"],
  fusionWeighted: ["match strength", "按匹配强度"],
  fusionRrf: ["rank", "按各项名次"],
  relevant: ["Only relevant pictures", "只看相关图片"],
  sort: ["Order", "排序"],
  sortRelevance: ["Best first", "最匹配优先"],
  sortTakenAt: ["Latest first", "最近拍摄优先"],
  leftOut: ["{0} less relevant {0:picture|pictures} left out.", "已略去 {0} 张不太相关的图片。"],
  weakLeftOut: ["{0} weak {0:match was|matches were} left out.", "已略去 {0} 张匹配较弱的图片。"],
  showLeftOut: ["Show them", "仍然显示"],
  nothingRelevant: ["Nothing relevant found", "没有找到相关图片"],
  nothingFiltered: [
    "No picture passes all filters. Take one away, or try other words.",
    "没有图片符合全部筛选条件。请移除某个条件，或换个说法。",
  ],
  onlyFilters: ["What should the pictures show?", "想找什么样的图片？"],
  onlyFiltersDetail: [
    "Filters narrow a search: add words, a keyword or a picture.",
    "筛选条件用来缩小搜索范围：请再输入文字、关键词或选择图片。",
  ],
  degraded: ["Incomplete answer: {0}", "结果不完整：{0}"],
  outdated: ["The pictures have changed: search again", "图片库已有变化，请重新搜索"],
  why: ["Why this picture", "为什么找到这张图片"],
  signal_image: ["What the picture shows", "画面内容"],
  signal_caption_vector: ["What the caption means", "描述的含义"],
  signal_text: ["Words written about it", "相关文字"],
  wordsFound: ["words: {0}", "匹配的词：{0}"],
  similarity: ["similarity {0}", "相似度 {0}"],
  wordScore: ["word score {0}", "文字得分 {0}"],
  rank: ["place {0}", "第 {0} 名"],
  writtenBy: ["Written by {0}", "由 {0} 撰写"],
  captionNow: ["Caption this now", "立即生成描述"],
  captionMissing: ["Nothing has been written about this picture yet.", "这张图片还没有描述。"],
  captionAsking: ["Asking…", "正在请求…"],
  captionSoon: [
    "Asked for. The caption appears here as soon as it is written.",
    "已请求。描述写好后会显示在这里。",
  ],
  captionLater: [
    "Asked for, but not written yet. Look again later.",
    "已请求，但还没有写好。请稍后再看。",
  ],
  captionRefused: ["It cannot be captioned now. {0}", "现在无法生成描述。{0}"],
};

export const addSentences = (more) => Object.assign(sentences, more);

const STORED_LANGUAGE = "bucketlens.language";
const chosen = lasting.get(STORED_LANGUAGE) ?? navigator.language;
let language = chosen.startsWith("zh") ? "zh" : "en";

export const pageLanguage = () => language;

export const number = (value, options) => new Intl.NumberFormat(language, options).format(value);
export const percent = (share) => number(share, { style: "percent" });

export function bytes(count) {
  const place = Math.min(Math.floor(Math.log10(Math.max(count, 1)) / 3), 4);
  const unit = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"][place];
  return number(count / 1000 ** place, {
    style: "unit",
    unit,
    maximumFractionDigits: place > 1 ? 1 : 0,
  });
}

export function span(seconds) {
  const [unit, length] = [
    ["day", 86_400],
    ["hour", 3600],
    ["minute", 60],
  ].find(([, least]) => seconds >= 2 * least) ?? ["second", 1];
  return number(Math.round(seconds / length), { style: "unit", unit, unitDisplay: "long" });
}

export const date = (day) =>
  new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" }).format(new Date(day));

export const formatName = (format) => (format === "jxl" ? "JPEG XL" : format.toUpperCase());

export function sayLanguage(code) {
  try {
    return new Intl.DisplayNames(language, { type: "language" }).of(code) ?? code;
  } catch {
    return code;
  }
}

/** The sentence `name`. `{0}` is its first value, `{0:picture|pictures}` the word for it. */
export function say(name, ...values) {
  const pattern = sentences[name][language === "zh" ? 1 : 0];
  return pattern.replace(/\{(\d)(?::(.*?)\|(.*?))?\}/g, (_, place, one, more) => {
    const value = values[place];
    if (one !== undefined) return value === 1 ? one : more;
    return typeof value === "number" ? number(value) : value;
  });
}

// In UTC: most cameras write no time zone, and their clock is read as UTC.
export function instant(text) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return String(text);
  const style = { dateStyle: "long", timeStyle: "short", timeZone: "UTC" };
  return `${new Intl.DateTimeFormat(language, style).format(date)} UTC`;
}

export function translate(root) {
  for (const element of root.querySelectorAll("[data-say]"))
    element.textContent = say(element.dataset.say);
  for (const element of root.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", say(element.dataset.label));
    if (element.matches("button, a")) element.title = say(element.dataset.label);
  }
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
}

export function switchLanguage() {
  language = language === "zh" ? "en" : "zh";
  lasting.set(STORED_LANGUAGE, language);
}
