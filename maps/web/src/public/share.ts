// The link to what the card shows, for others: as QR code, to copy, or to send.

import { button, div, element, elementById, notify } from "../dom";
import { text } from "../locale";
import { fetchShareLink } from "./public-api";

/** Show the link to a grid or place in the card; hide it where it is shown already. */
export async function showShareLink(grid: string, place: string): Promise<void> {
  const panel = elementById("panel");
  const shown = panel.querySelector(".share");
  if (shown) return shown.remove();
  const card = panel.dataset.grid;
  const { url, qr } = await fetchShareLink(grid, place);
  if (panel.dataset.grid !== card || panel.querySelector(".share")) return;
  const link = element("input", { readonly: "", value: url, "aria-label": text("page.link") });
  link.addEventListener("focus", () => link.select());
  const copy = button(text("page.copy_link"), () => void copyLink(link));
  const send = button(text("page.send_link"), () => void sendLink(url));
  panel.append(
    element(
      "section",
      { class: "share", "aria-label": text("page.share") },
      qr ? qrPicture(qr) : element("p", {}, text("page.link_local")),
      link,
      div("ways", copy, "share" in navigator ? send : null),
    ),
  );
  copy.focus();
}

function qrPicture(svg: string): HTMLElement {
  const src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  return element("img", { src, alt: text("page.qr_code") });
}

async function copyLink(link: HTMLInputElement): Promise<void> {
  link.select();
  try {
    await navigator.clipboard.writeText(link.value);
    notify(text("page.link_copied"), undefined, "calm");
  } catch {
    // no clipboard on an insecure origin: the link is selected for the reader to copy
    notify(text("page.link_selected"), undefined, "calm");
  }
}

async function sendLink(url: string): Promise<void> {
  try {
    await navigator.share({ title: document.title, url });
  } catch {
    // the reader closed the dialog
  }
}
