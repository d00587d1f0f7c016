// Sentences of the library, in English and in Chinese.

import { addSentences, number } from '../words.js';

addSentences({
  months: ['Months', '月份'],
  jumpTo: ['Month', '月份'],
  newest: ['Newest', '最新'],
  pictureCount: [(count) => `${number(count)} ${count === 1 ? 'picture' : 'pictures'}`, (count) => `${number(count)} 张图片`],
  countUntil: [(count, month) => `${number(count)} until ${month}`, (count, month) => `截至${month}：${number(count)} 张`],
  newer: [(month) => `Newer: ${month}`, (month) => `较新：${month}`],
  monthCount: [(month, count) => `${month}, ${number(count)} ${count === 1 ? 'picture' : 'pictures'}`, (month, count) => `${month}，${number(count)} 张图片`],
  libraryFailed: ['The library cannot be shown', '无法显示图库'],
  noneUntil: ['No pictures are this old', '没有这么早的图片'],
});
