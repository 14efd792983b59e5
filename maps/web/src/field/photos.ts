// Photos as they are stored and sent: JPEG of at most the size that the server keeps.

const MAX_SIDE_PIXELS = 1600;
const QUALITY = 0.82;
export const MAX_PHOTOS = 4;

/** Return pictures as JPEG in base64, scaled down, without metadata. */
export async function encodePhotos(files: readonly File[]): Promise<string[]> {
  return await Promise.all(files.slice(0, MAX_PHOTOS).map(encodePhoto));
}

async function encodePhoto(file: File): Promise<string> {
  const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = Math.min(1, MAX_SIDE_PIXELS / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  canvas.getContext("2d")!.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return canvas.toDataURL("image/jpeg", QUALITY).split(",")[1]!;
}
