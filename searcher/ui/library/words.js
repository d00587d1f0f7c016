import { addSentences } from "../words.js";

addSentences({
  months: ["Months", "月份"],
  jumpTo: ["Month", "月份"],
  newest: ["Newest", "最新"],
  pictureCount: ["{0} {0:picture|pictures}", "{0} 张图片"],
  countUntil: ["{0} until {1}", "截至{1}：{0} 张"],
  monthCount: ["{0}, {1} {1:picture|pictures}", "{0}，{1} 张图片"],
  libraryFailed: ["The library cannot be shown", "无法显示图库"],
});
