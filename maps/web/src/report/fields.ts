// Fields of forms: label, help and message tied to the control, as screen readers need it.

import { button, div, element, notify } from "../dom";
import { text } from "../locale";
import { MAX_PHOTOS } from "./report-api";

type Control = HTMLInputElement | HTMLTextAreaElement;

/** Longest side of a photo that is sent; the server stores no larger ones. */
const PHOTO_SIDE_PIXELS = 1600;
const PHOTO_QUALITY = 0.88;

let fieldCount = 0;

/** A field whose message appears under it. */
export interface Field {
  root: HTMLElement;
  /** Show a message at the field, or remove it. */
  showMessage(message: string): void;
  focus(): void;
}

export interface TextField extends Field {
  control: Control;
}

export function textField(
  label: string,
  control: Control,
  { help = "", ...attributes }: Record<string, string> = {},
): TextField {
  const id = control.id || `field-${++fieldCount}`;
  for (const [name, value] of Object.entries({ autocomplete: "off", ...attributes })) {
    control.setAttribute(name, value);
  }
  control.id = id;
  const message = element("p", { class: "message", id: `${id}-message`, role: "alert" });
  const words = help ? [element("p", { class: "help", id: `${id}-help` }, help)] : [];
  control.setAttribute("aria-describedby", help ? `${id}-help ${id}-message` : `${id}-message`);
  const root = div("field", element("label", { for: id }, label), ...words, control, message);
  return {
    root,
    control,
    focus: () => control.focus(),
    showMessage: (words) => {
      message.textContent = words;
      control.setAttribute("aria-invalid", String(words !== ""));
    },
  };
}

/** A group of controls with a message under it; the first control takes the focus. */
export function fieldGroup(legend: string, help: string, ...content: Node[]): Field {
  const id = `group-${++fieldCount}`;
  const message = element("p", { class: "message", id: `${id}-message`, role: "alert" });
  const root = element(
    "fieldset",
    { class: "field", "aria-describedby": `${id}-message` },
    element("legend", {}, legend),
    ...(help ? [element("p", { class: "help" }, help)] : []),
    ...content,
    message,
  );
  return {
    root,
    focus: () => root.querySelector<HTMLElement>("input, button, textarea")?.focus(),
    showMessage: (words) => {
      message.textContent = words;
      root.classList.toggle("invalid", words !== "");
    },
  };
}

/** Show messages at their fields and focus the first one; return those that have no field. */
export function showMessages(
  fields: Record<string, Field>,
  messages: Record<string, string>,
): string {
  for (const [name, field] of Object.entries(fields)) field.showMessage(messages[name] ?? "");
  const first = Object.keys(fields).find((name) => messages[name]);
  if (first) fields[first]!.focus();
  return Object.keys(messages)
    .filter((name) => messages[name] && !(name in fields))
    .map((name) => messages[name])
    .join(" ");
}

export interface PhotoField extends Field {
  /** The photos, once those that were added last are shrunk. */
  photos(): Promise<Blob[]>;
}

export function photoField(label: string, help = ""): PhotoField {
  let photos: Blob[] = [];
  let adding = Promise.resolve();
  const input = element("input", { type: "file", accept: "image/*", multiple: "" });
  const list = element("ul", { class: "photos" });
  const field = textField(label, input, { help });
  input.before(list);
  const show = () => {
    for (const image of list.querySelectorAll("img")) URL.revokeObjectURL(image.src);
    list.replaceChildren(...photos.map((photo, index) => photoItem(photo, index + 1, remove)));
  };
  const remove = (photo: Blob) => {
    photos = photos.filter((one) => one !== photo);
    field.showMessage("");
    show();
    input.focus();
  };
  const add = async (files: File[]) => {
    const added = await Promise.all(files.map(shrinkPhoto));
    const isTooMany = photos.length + added.length > MAX_PHOTOS;
    photos = [...photos, ...added].slice(0, MAX_PHOTOS);
    field.showMessage(isTooMany ? text("online.photos_many", { most: MAX_PHOTOS }) : "");
    show();
  };
  input.addEventListener("change", () => {
    const files = [...(input.files ?? [])];
    input.value = "";
    adding = adding.then(() => add(files));
  });
  return { ...field, photos: () => adding.then(() => photos) };
}

function photoItem(photo: Blob, count: number, remove: (photo: Blob) => void): HTMLElement {
  const image = element("img", {
    src: URL.createObjectURL(photo),
    alt: text("online.photo_preview", { count }),
  });
  const label = text("online.photo_remove", { count });
  return element(
    "li",
    {},
    image,
    button("×", () => remove(photo), { "aria-label": label }),
  );
}

/** A photo small enough to send; what the browser can't read is left to the server to judge. */
async function shrinkPhoto(file: File): Promise<Blob> {
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, PHOTO_SIDE_PIXELS / Math.max(picture.width, picture.height));
    const canvas = element("canvas");
    canvas.width = Math.round(picture.width * scale);
    canvas.height = Math.round(picture.height * scale);
    canvas.getContext("2d")!.drawImage(picture, 0, 0, canvas.width, canvas.height);
    picture.close();
    return await new Promise<Blob>((resolve) =>
      canvas.toBlob((blob) => resolve(blob ?? file), "image/jpeg", PHOTO_QUALITY),
    );
  } catch {
    return file;
  }
}

/** Copy words; without a clipboard, say so. */
export async function copyText(words: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(words);
    notify(text("online.copied"), undefined, "calm");
  } catch {
    notify(text("online.copy_failed"), undefined, "calm");
  }
}
