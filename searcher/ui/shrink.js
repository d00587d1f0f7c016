// Shrinks a query picture to the size that models see: a photograph is slow on a slow network.

const SIDE_PX = 1024;
const SMALL_BYTES = 1_000_000;

/** The picture as a small JPEG; unchanged if it is small or the browser cannot read it. */
export async function shrink(file) {
  if (file.size <= SMALL_BYTES) return file;
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(SIDE_PX / Math.max(picture.width, picture.height), 1);
    const canvas = new OffscreenCanvas(
      Math.ceil(picture.width * scale),
      Math.ceil(picture.height * scale),
    );
    const drawing = Object.assign(canvas.getContext("2d"), {
      fillStyle: "#fff",
      imageSmoothingQuality: "high",
    });
    drawing.fillRect(0, 0, canvas.width, canvas.height);
    drawing.drawImage(picture, 0, 0, canvas.width, canvas.height);
    picture.close();
    return new File([await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 })], file.name);
  } catch {
    return file;
  }
}
