import { addSentences } from "../words.js";

addSentences({
  uploadTitle: ["Drop pictures or folders here", "将图片或文件夹拖放到这里"],
  dropToUpload: ["Drop pictures or folders to upload them", "松开鼠标，上传图片或文件夹"],
  chooseFiles: ["Choose pictures", "选择图片"],
  chooseFolder: ["Choose a folder", "选择文件夹"],
  uploadTakes: ["{0}, up to {1} each", "{0}，每个不超过 {1}"],
  uploadOff: ["Uploads are switched off here", "此处未开启上传"],
  uploadOffDetail: [
    "Pictures reach the bucket another way. The server's operator can allow uploads from here.",
    "图片通过其他方式存入存储桶。如需在此上传，请联系管理员开启。",
  ],
  uploadProgress: ["Uploaded so far", "上传进度"],
  uploadedFiles: ["Files", "文件"],
  cancelAll: ["Cancel", "取消"],
  retryFailed: ["Try failed ones again", "重试失败的文件"],
  forget: ["Forget it", "忽略"],
  unfinished: [
    "An upload of “{1}” was interrupted with {0} {0:file|files} left. " +
      "Choose the same again: it continues where it stopped.",
    "“{1}”的上传被中断，还剩 {0} 个文件。重新选择同样的内容即可从中断处继续。",
  ],
  uploadCounts: ["{0} of {1} stored, {2} searchable", "已存入 {0}/{1}，可搜索 {2}"],
  skippedCount: ["{0} {0:file|files} skipped", "已跳过 {0} 个文件"],
  skippedType: ["not a kind of picture that is taken here", "不支持的图片类型"],
  skippedSize: ["larger than {0}", "大于 {0}"],
  skippedEmpty: ["empty", "空文件"],
  skippedUnreadable: ["cannot be read", "无法读取"],
  file_waiting: ["{0}", "{0}"],
  file_sending: ["{0} · {1}", "{0} · {1}"],
  file_pausing: ["No answer. Trying again…", "没有响应，正在重试…"],
  file_stored: ["Stored. Becoming searchable…", "已存入，正在编入索引…"],
  file_searchable: ["Searchable", "可搜索"],
  file_cancelled: ["Cancelled", "已取消"],
  noAnswer: ["No answer, again and again.", "多次尝试均无响应。"],
  storeRefused: ["The store refused it with status {0}.", "存储拒绝了此文件，状态码 {0}。"],
});
