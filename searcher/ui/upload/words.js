// Sentences about uploads, in English and in Chinese.

import { addSentences, bytes, number } from '../words.js';

const files = (count) => `${number(count)} ${count === 1 ? 'file' : 'files'}`;

addSentences({
  uploadTitle: ['Drop pictures or folders here', '将图片或文件夹拖放到这里'],
  dropToUpload: ['Drop pictures or folders to upload them', '松开鼠标，上传图片或文件夹'],
  chooseFiles: ['Choose pictures', '选择图片'],
  chooseFolder: ['Choose a folder', '选择文件夹'],
  uploadTakes: [(types, most) => `${types}, up to ${bytes(most)} each`, (types, most) => `${types}，每个不超过 ${bytes(most)}`],
  uploadOff: ['Uploads are switched off here', '此处未开启上传'],
  uploadOffDetail: ['Pictures reach the bucket another way. Whoever runs this server can allow uploads from this page.', '图片通过其他方式存入存储桶。如需在此上传，请联系管理员开启。'],
  uploadProgress: ['Uploaded so far', '上传进度'],
  uploadedFiles: ['Files', '文件'],
  cancelAll: ['Cancel', '取消'],
  retryFailed: ['Try failed ones again', '重试失败的文件'],
  forget: ['Forget it', '忽略'],
  unfinished: [
    (name, left) => `An upload${name && ` of “${name}”`} was interrupted with ${files(left)} left. Choose the same ${name ? 'folder' : 'files'} again: it continues where it stopped.`,
    (name, left) => `${name && `“${name}”的`}上传被中断，还剩 ${number(left)} 个文件。重新选择同一${name ? '文件夹' : '批文件'}即可从中断处继续。`,
  ],
  uploadCounts: [
    (stored, total, searchable) => `${number(stored)} of ${number(total)} stored, ${number(searchable)} searchable`,
    (stored, total, searchable) => `已存入 ${number(stored)}/${number(total)}，可搜索 ${number(searchable)}`,
  ],
  uploadBytes: [(sent, all) => `${bytes(sent)} of ${bytes(all)}`, (sent, all) => `${bytes(sent)}/${bytes(all)}`],
  skippedCount: [(count) => `${files(count)} skipped`, (count) => `已跳过 ${number(count)} 个文件`],
  skippedType: ['not a kind of picture that is taken here', '不支持的图片类型'],
  skippedSize: [(most) => `larger than ${bytes(most)}`, (most) => `大于 ${bytes(most)}`],
  skippedEmpty: ['empty', '空文件'],
  skippedUnreadable: ['cannot be read', '无法读取'],
  file_sending: [(size, share) => `${bytes(size)} · ${number(share, { style: 'percent' })}`, (size, share) => `${bytes(size)} · ${number(share, { style: 'percent' })}`],
  file_pausing: ['No answer. Trying again…', '没有响应，正在重试…'],
  file_stored: ['Stored. Becoming searchable…', '已存入，正在编入索引…'],
  file_slow: ['Stored, but not searchable yet. Operations tells why.', '已存入，但还不能搜索。原因请见“运维”。'],
  file_searchable: ['Searchable', '可搜索'],
  file_cancelled: ['Cancelled', '已取消'],
  noAnswer: ['No answer, again and again.', '多次尝试均无响应。'],
  storeRefused: [(status) => `The store refused it with status ${status}.`, (status) => `存储拒绝了此文件，状态码 ${status}。`],
  moreFiles: [(count) => `and ${number(count)} more`, (count) => `另有 ${number(count)} 个`],
});
